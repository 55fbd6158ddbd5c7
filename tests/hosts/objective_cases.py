"""Objectives with a batch each, for tests that run over all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from augself_loss import ColorEncoder, CropEncoder, Encoder, FlipEncoder, Record
from augself_loss.objectives import CARE, ESSL, STL, Condition, ConditionedProjector, EquiMod, mlp

KINDS = ("equimod", "stl", "stl_rank", "care", "essl", "cassle")
LEARNING = tuple(kind for kind in KINDS if kind != "care")
"""Those with networks of their own."""
BATCH, DIM = 8, 12
ENCODERS: list[Encoder] = [CropEncoder(), FlipEncoder(), ColorEncoder(0.4, 0.4, 0.4, 0.1)]


class Case(NamedTuple):
    """An objective, or CASSLE's projector, and what it is called with."""

    kind: str
    module: Any
    features: list[Tensor]
    records: list[Record]
    third: Tensor | None

    def output(self, module: Any = None) -> Any:
        """Call it; ``module`` is a copy of it."""
        return (self.module if module is None else module)(
            self.features, self.records, third=self.third
        )

    def total(self, module: Any = None) -> Tensor:
        """Compute a scalar of it."""
        if self.kind != "cassle":
            total: Tensor = self.output(module).total
            return total
        given = zip(self.features, self.records, strict=True)
        views = [
            (self.module if module is None else module)(view, record) for view, record in given
        ]
        return torch.stack([view.float().square().mean() for view in views]).mean()

    def learns(self) -> list[Tensor]:
        """List what gets gradients."""
        given = [] if self.kind == "essl" else self.features
        third = [] if self.third is None else [self.third]
        return [*self.module.parameters(), *given, *third]


def record(seed: int, batch: int = BATCH, dtype: torch.dtype = torch.float32) -> Record:
    """Make a record in which partners share their crop and colour."""
    draw = torch.Generator().manual_seed(seed)

    def shared(columns: int) -> Tensor:
        drawn = torch.rand(batch // 2, columns, generator=draw, dtype=dtype)
        return drawn.repeat_interleave(2, dim=0)

    return {
        "crop": 0.5 * shared(4) + 0.1 * torch.tensor([0, 0, 1, 1], dtype=dtype),
        "flip": torch.randint(2, (batch, 1), generator=draw).to(dtype),
        "color": 1 + 0.1 * shared(4) - torch.tensor([0, 0, 0, 1], dtype=dtype),
        "color_order": torch.randperm(4, generator=draw).to(dtype).expand(batch, 4),
    }


def build(
    kind: str, seed: int | None = 0, *, batch: int = BATCH, dtype: torch.dtype = torch.float32,
    **options: Any,
) -> Case:  # fmt: skip
    """Build an objective, from a seed, with random features of two views and a third."""
    if seed is not None:
        torch.manual_seed(seed)
    condition = Condition(ENCODERS)
    small: Any = {"hidden_dim": 16, "embedding_dim": 6}
    module: Any
    if kind == "equimod":
        module = EquiMod(DIM, EquiMod.describe(ENCODERS), **small, **options)
    elif kind == "care":
        module = CARE(shared=["crop", "color"], **options)
    elif kind == "essl":
        module = ESSL(DIM, hidden_dims=[16, 16], **options)
    elif kind == "cassle":
        inputs = ConditionedProjector.input_dim(DIM, condition, hidden_dim=8)
        module = ConditionedProjector(mlp([inputs, 16, 6]), condition, DIM, hidden_dim=8)
    else:
        rank = 2 if kind == "stl_rank" else None
        module = STL(DIM, **small, transformation_dim=8, rank=rank, **options)
    draw = torch.Generator().manual_seed(7)

    def features(rows: int) -> Tensor:
        return torch.randn(rows, DIM, generator=draw, dtype=dtype).requires_grad_()

    thirds = {"equimod": batch, "essl": 4 * batch}
    third = features(thirds[kind]) if kind in thirds else None
    views = [features(batch), features(batch)]
    return Case(
        kind, module.to(dtype), views, [record(1, batch, dtype), record(2, batch, dtype)], third
    )
