"""What all methods share: views made on the device, the optimizer, the schedule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import lightning.pytorch as pl
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from augself_loss.objectives import Condition, ConditionedProjector
from transfer.augmentations import SeededViews
from transfer.config import Config
from transfer.networks import Backbone, backbone


class Method(pl.LightningModule):
    """A backbone and a method's own heads and loss.

    Args:
        config: the run's settings.
        classes: how many classes the pictures have, for the supervised method.

    Attributes:
        taps: submodules whose outputs are the features of views.
    """

    taps: ClassVar[tuple[str, ...]] = ("backbone",)

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.config = config
        self.backbone: Backbone = backbone(config.network, config.width, config.feature_dim)
        self.views = SeededViews(
            config.augmentation, config.view, config.seed, config.apply, config.objective
        )
        self.build(self.backbone.feature_dim, classes)

    @abstractmethod
    def build(self, dim: int, classes: int) -> None:
        """Make the method's own heads, for features ``(B, dim)``."""

    @abstractmethod
    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """Compare two views ``(B, 3, H, W)``; labels are for the supervised method."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Make the views; their records come along where a term will take them off."""
        pictures, labels = batch
        views = self.views(pictures, self.global_step, self.global_rank)
        return [views[:-1] if self.config.arm == "plain" else views, labels]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Compute the method's loss."""
        views, labels = batch
        loss = self.loss(views, labels)
        # What a progress bar shows is read in every step, and the host waits for the device.
        shown = not self.config.resident
        self.log("base", loss.detach(), prog_bar=shown, batch_size=len(labels))
        return loss

    def conditioned(self, make: Callable[[int], nn.Module], dim: int) -> nn.Module:
        """Make the projector of features ``(B, dim)``; CASSLE's is conditioned on their view.

        Args:
            make: makes a projector of so many inputs.
            dim: width of the features.
        """
        if self.config.objective != "cassle":
            return make(dim)
        encoders = self.views.recorder.encoders
        condition = Condition(encoders, [e.name for e in encoders if e.name != "flip"])
        width = ConditionedProjector.input_dim(dim, condition)
        return ConditionedProjector(make(width), condition, dim)

    def configure_optimizers(self) -> Any:
        """SGD as the paper uses it: linear warm-up, then cosine decay, step by step."""
        config, steps = self.config, int(self.trainer.estimated_stepping_batches)
        trained = [p for p in self.parameters() if p.requires_grad]
        rate = config.lr * config.batch / 256
        optimizer = SGD(trained, rate, momentum=0.9, weight_decay=config.weight_decay)
        warmup = min(steps - 1, steps * config.warmup // config.epochs)
        schedule: Any = CosineAnnealingLR(optimizer, steps - warmup)
        if warmup > 0:
            start = LinearLR(optimizer, 1 / warmup, total_iters=warmup)
            schedule = SequentialLR(optimizer, [start, schedule], [warmup])
        scheduler = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}
