"""The term as one would write it first: a head after the other, targets built type by type.

Written for this comparison from the method's equations; it has what users would have without this
library, and nothing else. Records are dicts as the library's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Record = Mapping[str, Tensor]
WIDTHS = {"crop": 4, "flip": 1, "color": 4, "blur": 1, "rotation": 4, "solarize": 1}
SPANS = (0.8, 0.8, 0.8, 0.2)
"""Widths of the colour factors' ranges."""


class Straightforward(nn.Module):
    """Separate heads on concatenated features, both orders, and a loss per type."""

    def __init__(self, dim: int, types: Sequence[str], hidden: int = 512) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: _head(dim, hidden, WIDTHS[name]) for name in types})

    def forward(self, y1: Tensor, y2: Tensor, w1: Record, w2: Record) -> Tensor:
        """Sum the losses of all types."""
        both = torch.cat([torch.cat([y1, y2], dim=1), torch.cat([y2, y1], dim=1)])
        total = torch.zeros((), device=both.device)
        for name, head in self.heads.items():
            target = torch.cat([_target(name, w1, w2), _target(name, w2, w1)]).to(both.device)
            total = total + _loss(name, head(both).float(), target)
        return total


def _head(dim: int, hidden: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2 * dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )  # fmt: skip


def _target(name: str, w1: Record, w2: Record) -> Tensor:
    """Build ω_diff(1→2) of one type, on the host."""
    if name == "crop":
        (top1, left1, height1, width1), (top2, left2, height2, width2) = (
            w["crop"].cpu().unbind(1) for w in (w1, w2)
        )
        y = (top1 + height1 / 2) - (top2 + height2 / 2)
        x1, x2 = left1 + width1 / 2, left2 + width2 / 2
        flipped = w1["flip"].cpu()[:, 0] > 0.5
        x = torch.where(flipped, 1 - x1, x1) - torch.where(flipped, 1 - x2, x2)
        return torch.stack([y, x, height1 - height2, width1 - width2], dim=1)
    one, two = w1[name].cpu(), w2[name].cpu()
    if name == "flip":
        return (one == two).float()
    if name == "color":
        return (one - two) / torch.tensor(SPANS)
    if name == "rotation":
        return ((one - two) % 4).long()[:, 0]
    return one - two


def _loss(name: str, prediction: Tensor, target: Tensor) -> Tensor:
    if name == "flip":
        return functional.binary_cross_entropy_with_logits(prediction, target)
    if name == "rotation":
        return functional.cross_entropy(prediction, target)
    return functional.mse_loss(torch.tanh(prediction), target)
