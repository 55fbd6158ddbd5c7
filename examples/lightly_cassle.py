"""CASSLE for MoCo v2 from Lightly's parts: the projector sees its view's augmentation.

The lines marked "+ CASSLE" were added to the plain script, and the projector is built for as many
inputs more. Nothing else changes: the adapter tells every projector, the momentum encoder's too,
the record of the view that it is given.

    python examples/lightly_cassle.py
    python examples/lightly_cassle.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
from torch import Tensor, nn

from augself_loss import Encoder  # + CASSLE
from augself_loss.adapters.lightly import LightlyRecorder  # + CASSLE
from augself_loss.adapters.lightning import add_objective  # + CASSLE
from augself_loss.objectives import Condition, ConditionedProjector  # + CASSLE


def projector(dim: int, encoders: Sequence[Encoder]) -> nn.Module:
    """Build MoCo's projector with CASSLE's inputs: all that the paper conditions on."""
    known = [encoder.name for encoder in encoders]
    condition = Condition(encoders, [n for n in known if n not in ("flip", "vertical_flip")])
    inputs = ConditionedProjector.input_dim(dim, condition)
    return ConditionedProjector(MoCoProjectionHead(inputs, 256, 128), condition, dim)


class MoCo(pl.LightningModule):
    """A query encoder, a key encoder that follows it, and a memory bank of negatives."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.projection_head = projector(self.backbone.feature_dim, encoders)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)
        self.criterion = NTXentLoss(temperature=0.2, memory_bank_size=(1024, 128))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Let the key encoder follow, then find each query's key among those of the bank."""
        momentum = cosine_schedule(self.current_epoch, self.trainer.max_epochs, 0.99, 1)
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)
        x_query, x_key = batch[0]
        query = self.projection_head(self.backbone(x_query))
        with torch.no_grad():
            key = self.projection_head_momentum(self.backbone_momentum(x_key))
        loss: Tensor = self.criterion(query, key)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all that takes gradients."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=12)
    transform = MoCoV2Transform(input_size=hosting.VIEW, gaussian_blur=0.0)
    recorder = LightlyRecorder(transform)
    dataset = LightlyDataset.from_torch_dataset(
        images.Pictures(hosting.pictures(args)), transform=recorder
    )
    model = MoCo(recorder.encoders)
    add_objective(model, None, recorder, taps=("backbone", "backbone_momentum"))  # + CASSLE
    hosting.train(args, model, hosting.loader(args, dataset))


if __name__ == "__main__":
    main()
