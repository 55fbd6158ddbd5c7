"""DINO with multi-crop and a ViT of Hugging Face's Transformers in Lightning.

The lines marked "+ AugSelf" were added to the plain script. A whole model returns several tensors,
so its last norm is the tap: `find_taps` lists what else can be.

    pip install transformers
    python examples/transformers_dino.py
"""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import update_momentum
from lightly.transforms import DINOTransform
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightly import LightlyRecorder  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf

WIDTH, OUTPUT = 96, 256


class DINO(pl.LightningModule):
    """A student sees all views, its teacher the two global ones."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4}
        config = ViTConfig(**sizes, image_size=hosting.VIEW, patch_size=4, intermediate_size=192)
        self.backbone = ViTModel(config, add_pooling_layer=False)
        self.head, head = (DINOProjectionHead(WIDTH, 256, 64, OUTPUT) for _ in range(2))
        self.teacher = nn.ModuleList([copy.deepcopy(self.backbone), head]).requires_grad_(False)
        self.criterion = DINOLoss(OUTPUT, warmup_teacher_temp_epochs=5)

    def forward(self, view: Tensor, networks: Any) -> Tensor:
        """Project the class token of a view of any size."""
        backbone, head = networks
        tokens = backbone(view, interpolate_pos_encoding=True).last_hidden_state
        return head(tokens[:, 0])  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Compare all views with the teacher's global ones, then let the teacher follow."""
        student = nn.ModuleList([self.backbone, self.head])
        with torch.no_grad():
            targets = [self.forward(view, self.teacher) for view in batch[0][:2]]
        views = [self.forward(view, student) for view in batch[0]]
        loss: Tensor = self.criterion(targets, views, epoch=self.current_epoch)
        update_momentum(student, self.teacher, m=0.996)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=5e-4)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=3)
    transform = DINOTransform(global_crop_size=hosting.VIEW, local_crop_size=16, n_local_views=4)
    transform = LightlyRecorder(transform)  # + AugSelf
    model = DINO()
    options: Any = {"encoders": transform.encoders, "pool": "cls"}  # + AugSelf
    augself = AugSelfLoss(WIDTH, {"crop": 10.0, "color": 2.0}, **options)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone.layernorm")  # + AugSelf
    pictures = images.Pictures(hosting.pictures(args), transform=transform)
    hosting.train(args, model, hosting.loader(args, pictures))


if __name__ == "__main__":
    main()
