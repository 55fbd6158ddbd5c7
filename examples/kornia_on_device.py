"""SimCLR in Lightning with augmentation on the device, a whole batch at once, by Kornia.

The lines marked "+ AugSelf" were added to the plain script: the recorder stands in for the callable
that makes the views. (A module without such a hook needs add_augself(..., on_device=True) only.)

    python examples/kornia_on_device.py
    python examples/kornia_on_device.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import lightning.pytorch as pl
import torch
from _shared import hosting
from _shared.models import SmallResNet
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch import Tensor
from torch.utils.data import TensorDataset

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf
from augself_loss.recording.kornia import KorniaRecorder  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf


class SimCLR(pl.LightningModule):
    """Backbone, projector, contrastive loss; views are made when a batch is on the device.

    Args:
        augment: makes a list of views of float images (B, 3, H, W) in [0, 1].
    """

    def __init__(self, augment: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__()
        self.augment = augment
        self.backbone = SmallResNet(16)
        self.projection_head = SimCLRProjectionHead(self.backbone.feature_dim, 256, 128)
        self.criterion = NTXentLoss(temperature=0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Project one view (B, 3, H, W)."""
        z: Tensor = self.projection_head(self.backbone(x))
        return z

    @torch.no_grad()
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Make the views of uint8 images."""
        (images,) = batch
        return [self.augment(images / 255)]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Find each view's partner."""
        x0, x1 = batch[0]
        loss: Tensor = self.criterion(self.forward(x0), self.forward(x1))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=8, workers=0)
    view = K.AugmentationSequential(
        K.RandomResizedCrop((hosting.VIEW, hosting.VIEW), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    augment = MultiViewTransform([view, view])
    augment = MultiViewRecorder(KorniaRecorder(view, apply="fused"), views=2)  # + AugSelf
    model = SimCLR(augment)
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    dim = model.backbone.feature_dim  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=augment.encoders)  # + AugSelf
    add_augself(model, augself, augment, taps="backbone")  # + AugSelf
    hosting.train(args, model, hosting.loader(args, TensorDataset(hosting.pictures(args))))


if __name__ == "__main__":
    main()
