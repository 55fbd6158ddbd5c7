"""What a second depth costs the term, forward and backward: crop reads a ResNet's third stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from asked import asked
from sampled import TYPES, record
from term import grouping
from timing import side_by_side
from torch import Tensor

from augself_loss import AugSelfLoss
from augself_loss.hosting.finding import moved

Row = dict[str, Any]
ONE = "one depth"
READS: dict[str, dict[str, Any]] = {
    "crop at layer3, mean": {"pool": {"layer3": "mean"}, "depths": {"crop": "layer3"}},
    "crop at layer3, 2 × 2": {"pool": {"layer3": 2}, "depths": {"crop": "layer3"}},
    "crop at both, 2 × 2": {"pool": {"layer3": 2}, "depths": {"crop": ["layer3", "backbone"]}},
}
"""Way → options of the loss."""
SIZES = {"ResNet-18": (256, 512), "ResNet-50": (1024, 2048)}
"""Network → channels of its third stage, 14 × 14 places, and of its features."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every way, of both networks; one row each."""
    for network, (early, late) in SIZES.items():
        for batch in (64,) if quick else (64, 256):
            work = {
                way: _step(way, batch, early, late, torch.device("cpu")) for way in (ONE, *READS)
            }
            times = side_by_side(work, budget=1 if quick else 12)
            for way in work:
                with grouping(True):
                    counted = asked(_step(way, batch, early, late, torch.device("meta")))
                yield {
                    "network": network, "batch": batch, "way": way, "ms": 1e3 * times[way].median,
                    "/ one depth": times[way].over(times[ONE]), "launches": counted.launches,
                }  # fmt: skip


def _step(way: str, batch: int, early: int, late: int, at: torch.device) -> Callable[[], Tensor]:
    options = dict(READS.get(way, {}))
    dims: Any = {"layer3": early, "backbone": late} if options else late
    weights = dict.fromkeys(TYPES[:2], 1.0)
    term = AugSelfLoss(dims, weights, check_values="never", **options).to(at)
    maps = [torch.randn(batch, early, 14, 14, device=at, requires_grad=True) for _ in range(2)]
    vectors = [torch.randn(batch, late, device=at, requires_grad=True) for _ in range(2)]
    features: Any = vectors
    if options:
        pairs = zip(maps, vectors, strict=True)
        features = [{"layer3": m, "backbone": v} for m, v in pairs]
    records = [moved(record(batch, seed), at) for seed in (1, 2)]
    trained = [*term.parameters(), *vectors, *(maps if options else [])]

    def run() -> Tensor:
        for tensor in trained:
            tensor.grad = None
        total: Tensor = term(features, records).total
        total.backward()  # type: ignore[no-untyped-call]
        return total

    return run
