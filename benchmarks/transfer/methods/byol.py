"""BYOL (Grill et al., NeurIPS 2020)."""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor, no_grad

from transfer.methods.base import Method
from transfer.methods.momentum import follow, slow_copy


class BYOL(Method):
    """Predicts the slow encoder's projection of each view from the other.

    AugSelf compares the trained encoder's features of both views (the paper's way).
    """

    def build(self, dim: int, classes: int) -> None:  # noqa: ARG002
        """Projector, predictor, and slow copies."""
        hidden, out = self.config.projector, self.config.embedding
        self.projector = BYOLProjectionHead(dim, hidden, out)
        self.predictor = BYOLPredictionHead(out, hidden, out)
        self.backbone_slow = slow_copy(self.backbone)
        self.projector_slow = slow_copy(self.projector)
        self.criterion = NegativeCosineSimilarity()

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """Negative cosine similarity, symmetric: −1 is best."""
        slow, trained = self.backbone_slow, self.backbone
        follow(self, (slow, trained), (self.projector_slow, self.projector))
        p1, p2 = (self.predictor(self.projector(trained(view))) for view in views)
        with no_grad():
            z1, z2 = (self.projector_slow(slow(view)) for view in views)
        loss: Tensor = self.criterion(p1, z2) + self.criterion(p2, z1)
        return loss / 2
