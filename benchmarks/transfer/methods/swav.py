"""SwAV (Caron et al., NeurIPS 2020), with two views and no multi-crop: the others' budget."""

from __future__ import annotations

from lightly.loss import SwaVLoss
from lightly.models.modules import SwaVProjectionHead, SwaVPrototypes
from torch import Tensor
from torch.nn import functional

from transfer.methods.base import Method


class SwAV(Method):
    """Predicts each view's assignment to prototypes from the other view."""

    def build(self, dim: int, classes: int) -> None:  # noqa: ARG002
        """Projector and prototypes."""
        config = self.config
        self.projector = SwaVProjectionHead(dim, config.projector, config.embedding)
        self.prototypes = SwaVPrototypes(config.embedding, config.prototypes)
        self.criterion = SwaVLoss(config.temperature, sinkhorn_gather_distributed=True)

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """Swapped prediction of codes."""
        self.prototypes.normalize()
        projected = (self.projector(self.backbone(view)).float() for view in views)
        scores = [self.prototypes(functional.normalize(z, dim=1)).float() for z in projected]
        loss: Tensor = self.criterion(scores, [])
        return loss
