"""The term under bf16 autocast: what it does beside the matrix products, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import torch
from products import products
from sampled import TYPES
from straightforward import Straightforward
from term import loss_of, step_of
from timing import Timing, side_by_side
from torch import Tensor, nn

HALF = torch.bfloat16
NEEDED = ("limit", "casts", "norms")
"""Products, autocast's casts, and batch normalization with ReLU."""


def rows(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Time both ways against the products alone, and against all that autocast has them do."""
    sizes = [(512, 64)] if quick else [(512, 64), (512, 256), (2048, 256)]
    for (dim, batch), types in product(sizes, (2, 6)):
        names = TYPES[:types]
        ours, theirs = loss_of(dim, names), Straightforward(dim, names)
        work = {
            "limit": products(batch, dim, types, HALF),
            "casts": _casts([*ours.parameters()]),
            "norms": _norms(2 * batch, types),
            "straightforward": step_of(theirs, batch, dim, HALF),
            "ours": step_of(ours, batch, dim, HALF),
        }
        times = side_by_side(work, budget=1 if quick else 8)
        parts = (times[name].seconds for name in NEEDED)
        needed = Timing([sum(together) for together in zip(*parts, strict=True)])
        row = {"D": dim, "types": types, "batch": batch, "limit ms": 1e3 * times["limit"].median}
        for name in list(work)[1:]:
            row[f"{name} / limit"] = times[name].over(times["limit"])
        for name in ("straightforward", "ours"):
            row[f"{name} / ({' + '.join(NEEDED)})"] = times[name].over(needed)
        yield row


def _casts(parameters: Sequence[Tensor]) -> Callable[[], object]:
    """Prepare what autocast does to parameters: weights to bf16, gradients from it."""
    gradients = [p.detach().to(HALF) for p in parameters]

    def run() -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.detach().to(HALF)
            gradient.to(parameter.dtype)

    return run


def _norms(rows: int, types: int, hidden: int = 512) -> Callable[[], object]:
    """Prepare what stands between the products: two hidden layers a head, forward and backward."""
    layers = [nn.Sequential(nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)) for _ in range(2)]
    x = torch.randn(rows, hidden, dtype=HALF, requires_grad=True)
    gradient = torch.randn(rows, hidden, dtype=HALF)

    def run() -> None:
        for layer in layers * types:
            torch.autograd.backward(layer(x), gradient)

    return run
