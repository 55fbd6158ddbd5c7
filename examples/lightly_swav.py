"""SwaV from Lightly's parts: multi-crop, where the two global views are compared.

The lines marked "+ AugSelf" were added to the plain script: the recorder runs the transform and
notes what it did; of all views AugSelf pairs those with the most pixels, unless told otherwise.

    python examples/lightly_swav.py
    python examples/lightly_swav.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from _shared.models import SmallResNet
from lightly.data import LightlyDataset
from lightly.loss import SwaVLoss
from lightly.models.modules import SwaVProjectionHead, SwaVPrototypes
from lightly.transforms import SwaVTransform
from torch import Tensor
from torch.nn import functional

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightly import LightlyRecorder  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf

GLOBAL, LOCAL = 2, 2
"""How many large and small views are made of a picture."""


class SwaV(pl.LightningModule):
    """Backbone, projector, and prototypes that each view predicts for the global ones."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.projection_head = SwaVProjectionHead(self.backbone.feature_dim, 256, 128)
        self.prototypes = SwaVPrototypes(128, n_prototypes=64)
        self.criterion = SwaVLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Compare one view (B, 3, H, W) with the prototypes."""
        z = functional.normalize(self.projection_head(self.backbone(x)), dim=1)
        logits: Tensor = self.prototypes(z)
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Predict the global views' codes from all other views."""
        self.prototypes.normalize()
        logits = [self.forward(x) for x in batch[0]]
        loss: Tensor = self.criterion(logits[:GLOBAL], logits[GLOBAL:])
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=5)
    transform = SwaVTransform(
        crop_sizes=(hosting.VIEW, hosting.VIEW // 2),
        crop_counts=(GLOBAL, LOCAL),
        cj_strength=0.5,
        gaussian_blur=0.0,
    )
    transform = LightlyRecorder(transform)  # + AugSelf
    dataset = LightlyDataset.from_torch_dataset(
        images.Pictures(hosting.pictures(args)), transform=transform
    )
    model = SwaV()
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    dim = model.backbone.feature_dim  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone")  # + AugSelf
    hosting.train(args, model, hosting.loader(args, dataset))


if __name__ == "__main__":
    main()
