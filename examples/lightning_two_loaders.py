"""Semi-supervised training in Lightning: one loader with labels, another with two views of each.

The lines marked "+ AugSelf" were added to the plain script; images= says where in the batch of
both loaders the views are:  python examples/lightning_two_loaders.py
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from _shared.models import SmallResNet
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch import Tensor, nn
from torchvision.transforms import v2

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf


class Consistent(pl.LightningModule):
    """Classifies labelled pictures, and gives both views of an unlabelled one the same classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.classifier = nn.Linear(self.backbone.feature_dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Classify pictures (B, 3, H, W)."""
        return self.classifier(self.backbone(x))  # type: ignore[no-any-return]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the labels, and how far both views' answers are apart."""
        x, labels = batch["labelled"]
        loss = nn.functional.cross_entropy(self.forward(x), labels)
        (x0, x1), _ = batch["unlabelled"]
        loss = loss + nn.functional.mse_loss(self.forward(x0), self.forward(x1))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train with one picture in four labelled."""
    args = hosting.start(__doc__, epochs=8)
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    one = v2.Compose([v2.RandomResizedCrop(hosting.VIEW), v2.ColorJitter(0.4, 0.4), *finish])
    transform = MultiViewTransform([one, one])
    transform = MultiViewRecorder(TorchvisionRecorder(one), views=2)  # + AugSelf
    task = hosting.labelled(args)
    known = images.Pictures(task.images[::4], task.labels[::4], one)
    unknown = images.Pictures(task.images, task.labels, transform)
    loaders = {"labelled": hosting.loader(args, known), "unlabelled": hosting.loader(args, unknown)}
    model = Consistent(int(task.labels.max()) + 1)
    dim = model.backbone.feature_dim  # + AugSelf
    weights = {"crop": 1.0, "color": 1.0}  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone", images=("unlabelled", 0))  # + AugSelf
    hosting.train(args, model, loaders)


if __name__ == "__main__":
    main()
