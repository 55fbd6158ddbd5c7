"""MoCo v2 from Lightly's parts, with Lightly's own transform.

The lines marked "+ AugSelf" were added to the plain script: the recorder runs the transform and
notes what it did, and features are taken from whichever encoder saw a view.

    python examples/lightly_moco.py
    python examples/lightly_moco.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from _shared.models import SmallResNet
from lightly.data import LightlyDataset
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightly import LightlyRecorder  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf


class MoCo(pl.LightningModule):
    """A query encoder, a key encoder that follows it, and a memory bank of negatives."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.projection_head = MoCoProjectionHead(self.backbone.feature_dim, 256, 128)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)
        self.criterion = NTXentLoss(temperature=0.2, memory_bank_size=(1024, 128))

    def forward(self, x: Tensor) -> Tensor:
        """Project queries (B, 3, H, W)."""
        query: Tensor = self.projection_head(self.backbone(x))
        return query

    @torch.no_grad()
    def forward_momentum(self, x: Tensor) -> Tensor:
        """Project keys (B, 3, H, W), without gradients."""
        key: Tensor = self.projection_head_momentum(self.backbone_momentum(x))
        return key

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Let the key encoder follow, then find each query's key among those of the bank."""
        momentum = cosine_schedule(self.current_epoch, self.trainer.max_epochs, 0.99, 1)
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)
        x_query, x_key = batch[0]
        loss: Tensor = self.criterion(self.forward(x_query), self.forward_momentum(x_key))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all that takes gradients."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=12)
    transform = MoCoV2Transform(input_size=hosting.VIEW, gaussian_blur=0.0)
    transform = LightlyRecorder(transform)  # + AugSelf
    dataset = LightlyDataset.from_torch_dataset(
        images.Pictures(hosting.pictures(args)), transform=transform
    )
    model = MoCo()
    dim = model.backbone.feature_dim  # + AugSelf
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps=("backbone", "backbone_momentum"))  # + AugSelf
    hosting.train(args, model, hosting.loader(args, dataset))


if __name__ == "__main__":
    main()
