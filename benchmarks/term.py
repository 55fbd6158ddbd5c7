"""The term alone, forward and backward: ours, a straightforward one, and the machine's limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from unittest import mock

import torch
from counting import calls_compiled, cost, peak_memory
from products import products
from sampled import TYPES, record
from straightforward import Straightforward
from timing import side_by_side
from torch import Tensor, nn

from augself_loss import AugSelfLoss
from augself_loss.checks import entries_read
from augself_loss.functional import difference_targets, stack_records

Row = dict[str, Any]


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every setting; one row each."""
    batches = (64, 256) if quick else (64, 256, 1024, 4096)
    dims = (512,) if quick else (512, 2048)
    for dim, types, batch in product(dims, (2, 6), batches):
        for dtype in (torch.float32, torch.bfloat16):
            if dtype == torch.bfloat16 and (batch > 1024 or quick):
                continue
            yield _row(dim, TYPES[:types], batch, dtype)


def _row(dim: int, types: tuple[str, ...], batch: int, dtype: torch.dtype) -> Row:
    ours, theirs = _ours(dim, types), Straightforward(dim, types)
    compiled = torch.compile(_ours(dim, types))
    work = {
        "limit": products(batch, dim, len(types), dtype),
        "straightforward": _step(theirs, batch, dim, dtype),
        "ours": _step(ours, batch, dim, dtype),
        "ours, compiled": _step(compiled, batch, dim, dtype),
    }
    times = side_by_side(work, budget=20 if batch > 256 else 6)
    row: Row = {
        "D": dim, "types": len(types), "batch": batch, "dtype": str(dtype).removeprefix("torch."),
        "limit ms": 1e3 * times["limit"].median,
    }  # fmt: skip
    for name in ("straightforward", "ours", "ours, compiled"):
        row[f"{name} / limit"] = times[name].over(times["limit"])
    row["targets ms"] = _target_time(ours, batch)
    for name, module in (("straightforward", theirs), ("ours", ours)):
        row[f"{name} MB"] = peak_memory(work[name], module) / 2**20
    return row


def launches(dim: int = 512, batch: int = 64) -> Iterator[Row]:
    """Count kernels and syncs of each way, as an accelerator would be given them."""
    with mock.patch("augself_loss.heads.launches_cost", return_value=True):
        for types in (TYPES[:2], TYPES):
            ours, theirs = _ours(dim, types), Straightforward(dim, types)
            work = {
                "straightforward": _step(theirs, batch, dim),
                "ours, heads grouped": _step(ours, batch, dim),
            }
            compiled = _step(torch.compile(_ours(dim, types)), batch, dim)
            base: int | None = None
            for name, run in work.items():
                counted = cost(run)
                base = base or counted.kernels
                yield {"types": len(types), "way": name, **vars(counted),
                       "of straightforward": counted.kernels / base}  # fmt: skip
            calls = calls_compiled(compiled)
            yield {"types": len(types), "way": "ours, compiled", "kernels": calls,
                   "of straightforward": calls / (base or 1)}  # fmt: skip


def _ours(dim: int, types: tuple[str, ...]) -> AugSelfLoss:
    return AugSelfLoss(dim, dict.fromkeys(types, 1.0), check_values="never")


def _step(
    module: nn.Module | Callable[..., Any],
    batch: int,
    dim: int,
    dtype: torch.dtype = torch.float32,
) -> Callable[[], None]:
    """Prepare one forward and backward; gradients are made anew, as after ``zero_grad``."""
    features = [torch.randn(batch, dim, dtype=dtype, requires_grad=True) for _ in range(2)]
    records = [record(batch, seed) for seed in (1, 2)]
    parameters = [*getattr(module, "parameters", list)(), *features]
    half = torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16)

    def run() -> None:
        for p in parameters:
            p.grad = None
        with half:
            out = module(*features, *records)
        total: Tensor = out if isinstance(out, Tensor) else out.total
        total.backward()  # type: ignore[no-untyped-call]

    return run


def _target_time(ours: AugSelfLoss, batch: int) -> float:
    """Time the targets of all types, both directions, in milliseconds."""
    names = entries_read(ours.encoders)
    one, two = record(batch, 1), record(batch, 2)

    def targets() -> None:
        a, b = stack_records([one, two], names), stack_records([two, one], names)
        difference_targets(ours.encoders, a, b)
        for encoder in ours.encoders.values():
            encoder.visible(a, b)

    return 1e3 * side_by_side({"targets": targets}, budget=1.0, rounds=200)["targets"].median
