"""The heads φ_a: one small MLP per augmentation type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def mlp(feature_dim: int, hidden_dim: int, width: int) -> nn.Sequential:
    """Build φ_a: Linear-BN-ReLU-Linear-BN-ReLU-Linear on two concatenated feature vectors.

    Args:
        feature_dim: width D of one view's features.
        hidden_dim: width of both hidden layers.
        width: number of outputs.

    Returns:
        Module ``(B, 2D) → (B, width)``; its state dict has the released code's keys.

    Reference:
        Lee et al., NeurIPS 2021, section 3.3.
    """
    return nn.Sequential(
        nn.Linear(2 * feature_dim, hidden_dim, bias=False),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, hidden_dim, bias=False),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, width),
    )


class Heads(nn.ModuleDict):
    """The heads of several types, by name.

    Making them leaves the host's random state as it was, so that adding AugSelf changes neither
    the initialization nor the data order of the run it is added to.

    Args:
        feature_dim: width D of one view's features.
        widths: type name → number of outputs.
        hidden_dim: width of the hidden layers.
    """

    def __init__(self, feature_dim: int, widths: Mapping[str, int], hidden_dim: int) -> None:
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                {name: mlp(feature_dim, hidden_dim, width) for name, width in widths.items()}
            )

    def forward(
        self, features_a: Tensor, features_b: Tensor, types: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Predict every type's difference a→b.

        Args:
            features_a: features of the first views, ``(B, D)``.
            features_b: features of the second views, ``(B, D)``.
            types: the types to predict; default all.

        Returns:
            Type name → raw output ``(B, width)``.
        """
        both = torch.cat([features_a, features_b], dim=-1)
        return {name: self[name](both) for name in (self if types is None else types)}
