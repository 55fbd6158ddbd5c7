"""The term alone, forward and backward: ours, a straightforward one, and the machine's limit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from asked import asked
from counting import calls_compiled, peak_memory
from products import products
from sampled import TYPES, record
from straightforward import Straightforward
from timing import side_by_side
from torch import Tensor, nn

from augself_loss import AugSelfLoss, Record, heads
from augself_loss.checks import entries_read
from augself_loss.functional import difference_targets, pair_records
from augself_loss.hosting.finding import moved

Row = dict[str, Any]


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every setting; one row each."""
    sizes = [(512, 64), (512, 256)]
    if not quick:
        sizes += [(512, 1024), (512, 4096), (2048, 256)]
    for (dim, batch), types in product(sizes, (2, 6)):
        for dtype in (torch.float32, torch.bfloat16):
            if dtype == torch.bfloat16 and (batch > 1024 or quick):
                continue
            yield _row(dim, TYPES[:types], batch, dtype, budget=1 if quick else 8)


def _row(dim: int, types: tuple[str, ...], batch: int, dtype: torch.dtype, budget: float) -> Row:
    ours, theirs = loss_of(dim, types), Straightforward(dim, types)
    work = {
        "limit": products(batch, dim, len(types), dtype),
        "straightforward": step_of(theirs, batch, dim, dtype),
        "ours": step_of(ours, batch, dim, dtype),
    }
    if has_compiler():
        work["ours, compiled"] = step_of(torch.compile(loss_of(dim, types)), batch, dim, dtype)
    times = side_by_side(work, budget=budget)
    row: Row = {
        "D": dim, "types": len(types), "batch": batch, "dtype": str(dtype).removeprefix("torch."),
        "limit ms": 1e3 * times["limit"].median,
    }  # fmt: skip
    for name in list(work)[1:]:
        row[f"{name} / limit"] = times[name].over(times["limit"])
    row["targets ms"] = target_time(ours, [record(batch, seed) for seed in (1, 2)])
    for name, module in (("straightforward", theirs), ("ours", ours)):
        row[f"{name} MB"] = peak_memory(work[name], module) / 2**20
    return row


def launches(*, quick: bool, dim: int = 512, batch: int = 64) -> Iterator[Row]:
    """Count what each way asks of a device; the compiled one by the kernels that its code calls."""
    del quick  # it is
    for types in (TYPES[:2], TYPES):
        # Its targets are built on the host, where the records are that it is given.
        theirs = asked(
            step_of(Straightforward(dim, types), batch, dim, device="meta", records_on="cpu")
        )
        ours = asked(step_of(loss_of(dim, types), batch, dim, device="meta"))
        for way, seen in (("straightforward", theirs), ("ours, heads grouped", ours)):
            yield {
                "types": len(types), "way": way, "launches": seen.launches,
                "of straightforward": seen.launches / theirs.launches,
                "copies to it": seen.copies, "waited for": seen.waits, "reads of it": seen.reads,
            }  # fmt: skip
        if has_compiler():
            with grouping(True):
                calls = calls_compiled(step_of(torch.compile(loss_of(dim, types)), batch, dim))
            yield {"types": len(types), "way": "ours, compiled", "launches": calls,
                   "of straightforward": calls / theirs.launches}  # fmt: skip


def has_compiler() -> bool:
    """Whether ``torch.compile`` can build for this CPU."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


@contextmanager
def grouping(chosen: bool) -> Iterator[None]:
    """Evaluate the heads as one, or one by one, whatever is faster on their device."""
    before = heads.launches_cost
    heads.launches_cost = lambda features: chosen  # noqa: ARG005 - called as the library's is
    try:
        yield
    finally:
        heads.launches_cost = before


def loss_of(dim: int, types: tuple[str, ...]) -> AugSelfLoss:
    """Make our term, as one makes it who wants it fast."""
    return AugSelfLoss(dim, dict.fromkeys(types, 1.0), check_values="never")


def step_of(
    module: nn.Module | Callable[..., Any],
    batch: int,
    dim: int,
    dtype: torch.dtype = torch.float32,
    *,
    device: torch.device | str = "cpu",
    records_on: torch.device | str | None = None,
) -> Callable[[], Tensor]:
    """Prepare one forward and backward; gradients are made anew, as after ``zero_grad``.

    Args:
        module: the term; a module is moved to the device.
        batch: samples per view.
        dim: width D of the features.
        dtype: of the features; bf16 under autocast.
        device: where features and records lie.
        records_on: where records lie, if elsewhere.

    Returns:
        What runs it once, and returns the term.
    """
    at = torch.device(device)
    if isinstance(module, nn.Module):
        module.to(at)
    features = [
        torch.randn(batch, dim, dtype=dtype, device=at, requires_grad=True) for _ in range(2)
    ]
    records = [moved(record(batch, seed), torch.device(records_on or device)) for seed in (1, 2)]
    parameters = [*getattr(module, "parameters", list)(), *features]
    lower = "cpu" if at.type == "meta" else at.type  # autocast does not know meta
    half = torch.autocast(lower, dtype, enabled=dtype == torch.bfloat16)

    def run() -> Tensor:
        for p in parameters:
            p.grad = None
        with half:
            out = module(*features, *records)
        total: Tensor = out if isinstance(out, Tensor) else out.total
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()

    return run


def target_time(ours: AugSelfLoss, records: Sequence[Record]) -> float:
    """Time the targets of all types, both directions, in milliseconds."""
    names = entries_read(ours.encoders)

    def targets() -> None:
        a, b = pair_records(records, [(0, 1), (1, 0)], names)
        difference_targets(ours.encoders, a, b)
        for encoder in ours.encoders.values():
            encoder.visible(a, b)

    return 1e3 * side_by_side({"targets": targets}, budget=1.0, rounds=200)["targets"].median
