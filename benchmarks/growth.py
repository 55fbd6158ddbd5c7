"""How the term's time grows with batch, views, types and width, as exponents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sampled import TYPES, record
from timing import side_by_side

from augself_loss import AugSelfLoss
from augself_loss.functional import Pairs

Row = dict[str, Any]
PLAIN: dict[str, Any] = {"batch": 256, "dim": 512, "types": 2, "views": 2, "pairs": "all"}


def rows(*, quick: bool) -> Iterator[Row]:
    """Time each quantity at several sizes, all else as in ``PLAIN``; one row each."""
    sizes: dict[str, list[int]] = {
        "batch": [64, 256] if quick else [64, 128, 256, 512, 1024, 2048, 4096],
        "dim": [256, 1024] if quick else [256, 512, 1024, 2048],
        "types": [1, 6] if quick else [1, 2, 3, 4, 5, 6],
    }
    for what, values in sizes.items():
        yield _row(what, values, {}, quick=quick)
    pairings: tuple[Pairs, ...] = ("all", "first")
    for pairs in pairings:
        fixed = {"pairs": pairs, "batch": 64, "name": f"views, pairs: {pairs}"}
        yield _row("views", [2, 4] if quick else [2, 4, 8], fixed, quick=quick)


def _row(what: str, values: list[int], fixed: dict[str, Any], *, quick: bool) -> Row:
    name = fixed.pop("name", what)
    work = {str(value): _step(**{**PLAIN, **fixed, what: value}) for value in values}
    times = side_by_side(work, budget=0.5 if quick else 12, rounds=20)
    medians = [times[str(value)].median for value in values]
    exponent, _ = np.polyfit(np.log(values), np.log(medians), 1)
    points = {str(v): 1e3 * m for v, m in zip(values, medians, strict=True)}
    return {"grows with": name, "exponent": float(exponent), "ms": points}


def _step(batch: int, dim: int, types: int, views: int, pairs: Pairs) -> Callable[[], None]:
    augself = AugSelfLoss(dim, dict.fromkeys(TYPES[:types], 1.0), pairs=pairs, check_values="never")
    features = [torch.randn(batch, dim, requires_grad=True) for _ in range(views)]
    records = [record(batch, seed) for seed in range(views)]

    def run() -> None:
        for p in (*augself.parameters(), *features):
            p.grad = None
        augself(features, records).total.backward()

    return run
