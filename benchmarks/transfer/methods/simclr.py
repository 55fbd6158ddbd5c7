"""SimCLR (Chen et al., ICML 2020)."""

from __future__ import annotations

from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor

from transfer.methods.base import Method


class SimCLR(Method):
    """Finds each view's partner among all other views of the batch."""

    def build(self, dim: int, classes: int) -> None:  # noqa: ARG002
        """Projector."""
        hidden, out = self.config.projector, self.config.embedding
        self.projector = self.conditioned(lambda d: SimCLRProjectionHead(d, hidden, out), dim)
        self.criterion = NTXentLoss(self.config.temperature, gather_distributed=True)

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """Normalized-temperature cross-entropy."""
        z1, z2 = (self.projector(self.backbone(view)) for view in views)
        loss: Tensor = self.criterion(z1.float(), z2.float())
        return loss
