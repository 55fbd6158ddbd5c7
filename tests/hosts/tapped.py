"""A host with two backbones that tests tap, and what is done to its views."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from augself_loss.taps import FeatureTaps

BATCH, DIM = 4, 3


class Backbone(nn.Module):
    """Changes its input before its layer sees it, as a stem does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * 2).relu()


class Host(nn.Module):
    """A host's module with two backbones, and taps of its own."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.momentum = copy.deepcopy(self.backbone)
        if names:
            self.taps = FeatureTaps(self, names)


def host(*names: str) -> Host:
    torch.manual_seed(0)
    return Host(*names)


def views(count: int = 2) -> list[Tensor]:
    return list(torch.randn(count, BATCH, 5, generator=torch.Generator().manual_seed(1)))


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


def pictures(count: int = 2) -> list[Tensor]:
    return [view.reshape(BATCH, 3, 4, 4) for view in torch.rand(count, BATCH, 48)]


def no_grad(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return call(x)
