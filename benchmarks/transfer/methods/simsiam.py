"""SimSiam (Chen and He, CVPR 2021)."""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor

from transfer.methods.base import Method


class SimSiam(Method):
    """Predicts each view's projection from the other's, whose gradient is stopped."""

    def build(self, dim: int, classes: int) -> None:  # noqa: ARG002
        """Projector and predictor."""
        width = self.config.projector
        self.projector = self.conditioned(lambda d: SimSiamProjectionHead(d, width, width), dim)
        self.predictor = SimSiamPredictionHead(width, width // 4, width)
        self.criterion = NegativeCosineSimilarity()

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """Negative cosine similarity, symmetric: −1 is best."""
        z1, z2 = (self.projector(self.backbone(view)) for view in views)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        loss: Tensor = self.criterion(p1, z2.detach()) + self.criterion(p2, z1.detach())
        return loss / 2
