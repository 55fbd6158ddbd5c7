"""Lightly's methods with CASSLE's projector in the place of their own, and nothing else changed."""

from __future__ import annotations

import copy
from typing import Any

import lightly_modules
from lightly.models.utils import deactivate_requires_grad
from lightly_modules import FEATURES
from torch import Tensor, nn

from augself_loss.encoders import Encoder
from augself_loss.objectives import Condition, ConditionedProjector, mlp
from augself_loss.parameters import Record


class Spied(Condition):
    """Keeps what records it described."""

    @property
    def seen(self) -> list[Record]:
        return self.__dict__.setdefault("_seen", [])

    def __call__(self, record: Record) -> Tensor:
        if len(next(iter(record.values()))) > 1:  # not for its width
            self.seen.append(record)
        return super().__call__(record)


def conditioned(encoders: tuple[Encoder, ...]) -> ConditionedProjector:
    condition = Spied(encoders)
    inputs = ConditionedProjector.input_dim(FEATURES, condition, hidden_dim=8, depth=2)
    projector = mlp([inputs, 32, 16], last="bias")
    return ConditionedProjector(projector, condition, FEATURES, hidden_dim=8, depth=2)


class SimCLR(lightly_modules.SimCLR):
    def __init__(self, encoders: tuple[Encoder, ...]) -> None:
        super().__init__()
        self.projection_head: nn.Module = conditioned(encoders)


class SimSiam(lightly_modules.SimSiam):
    def __init__(self, encoders: tuple[Encoder, ...]) -> None:
        super().__init__()
        self.projection_head: nn.Module = conditioned(encoders)


class _Slow:
    """Copies the conditioned projector for the momentum encoder."""

    taps = ("backbone", "backbone_momentum")

    def __init__(self, encoders: tuple[Encoder, ...]) -> None:
        super().__init__()
        self.projection_head: Any = conditioned(encoders)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.projection_head_momentum)


class BYOL(_Slow, lightly_modules.BYOL):
    pass


class MoCo(_Slow, lightly_modules.MoCo):
    pass


class ShuffledMoCo(_Slow, lightly_modules.ShuffledMoCo):
    pass


METHODS: dict[str, Any] = {cls.__name__: cls for cls in (SimCLR, SimSiam, BYOL, MoCo, ShuffledMoCo)}
