"""The method that whole steps train: SimSiam on one of torchvision's ResNets, at its own widths."""

from __future__ import annotations

from typing import Any

import torchvision
from torch import Tensor, nn


class SimSiam(nn.Module):
    """Backbone, projector and predictor.

    Args:
        network: name of a ResNet of torchvision's.

    Attributes:
        dim: width of the backbone's features.
    """

    def __init__(self, network: str) -> None:
        super().__init__()
        self.backbone: Any = getattr(torchvision.models, network)()
        self.dim: int = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.projector = nn.Sequential(
            nn.Linear(self.dim, 2048), nn.BatchNorm1d(2048), nn.ReLU(inplace=True),
            nn.Linear(2048, 2048),
        )  # fmt: skip
        self.predictor = nn.Sequential(
            nn.Linear(2048, 512), nn.ReLU(inplace=True), nn.Linear(512, 2048)
        )

    def forward(self, view: Tensor) -> Tensor:
        """Project a view's features, ``(B, 2048)``."""
        projected: Tensor = self.projector(self.backbone(view))
        return projected

    def loss(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Compare what is predicted of each view with the other's projection."""
        similar = nn.functional.cosine_similarity
        one = similar(self.predictor(z1), z2.detach())
        two = similar(self.predictor(z2), z1.detach())
        return -one.mean() - two.mean()
