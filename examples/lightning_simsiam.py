"""SimSiam in Lightning, from Lightly's heads and loss, with an augmentation pipeline of your own.

The lines marked "+ AugSelf" were added to the plain script: the recorder makes the views and notes
how, and the loss predicts from the features what differs between them. Without them it still runs.

    python examples/lightning_simsiam.py
    python examples/lightning_simsiam.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from _shared.models import SmallResNet
from lightly.data import LightlyDataset
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch import Tensor
from torchvision.transforms import v2

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf


class SimSiam(pl.LightningModule):
    """Backbone, projector, predictor, and the negative cosine similarity of two views."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.projection_head = SimSiamProjectionHead(self.backbone.feature_dim, 256, 256)
        self.prediction_head = SimSiamPredictionHead(256, 64, 256)
        self.criterion = NegativeCosineSimilarity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Project and predict one view (B, 3, H, W)."""
        z = self.projection_head(self.backbone(x))
        return z.detach(), self.prediction_head(z)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Predict each view's projection from the other's."""
        x0, x1 = batch[0]
        (z0, p0), (z1, p1) = self.forward(x0), self.forward(x1)
        loss: Tensor = 0.5 * (self.criterion(z0, p1) + self.criterion(z1, p0))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=8)
    view = v2.Compose(
        [
            v2.RandomResizedCrop(hosting.VIEW, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    transform = MultiViewTransform([view, view])
    transform = MultiViewRecorder(TorchvisionRecorder(view), views=2)  # + AugSelf
    dataset = LightlyDataset.from_torch_dataset(
        images.Pictures(hosting.pictures(args)), transform=transform
    )
    model = SimSiam()
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    dim = model.backbone.feature_dim  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone")  # + AugSelf
    hosting.train(args, model, hosting.loader(args, dataset))


if __name__ == "__main__":
    main()
