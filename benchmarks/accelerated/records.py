"""Whether records and views of the device are the CPU's, drawn under the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from pipelines import kornia_pipeline
from torch import Tensor, nn

from accelerated.attempts import Row, attempt
from accelerated.names import FUSED, FUSED_COMPILED, KORNIA
from accelerated.pipelines import pictures, recorder, turns, without_solarize
from accelerated.target import Target
from augself_loss import Record
from augself_loss.recording.kornia.fused.products import in_full

TITLE = "Records and views against the CPU's under the same seed, float32 convolutions"
SEEDS = range(3)


@dataclass(frozen=True)
class Bounds:
    """By how much views may differ.

    Args:
        devices: between the CPU and the device: a coordinate that rounds otherwise moves a pixel.
        same: from Kornia's on the same device.
        jumps: share of the values that may differ by more.
    """

    devices: float = 1e-4
    same: float = 1e-5
    jumps: float = 0.0


PLAIN = Bounds()
SOLARIZED = Bounds(jumps=1e-5)
"""A pixel may cross the threshold by its rounding."""
TURNED = Bounds(devices=3e-4, same=3e-4)
"""Kornia turns by a warp, which rounds coordinates."""


@dataclass(frozen=True)
class Drawn:
    """What a recorder made under one seed; all of it on the host.

    Args:
        views: ``(B, C, h, w)``.
        record: their record.
        state: the host's random state afterwards.
    """

    views: Tensor
    record: Record
    state: Tensor


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List pipelines and batches; what is compiled here need not be again where it is timed."""
    small, large = ([(4, 32)], []) if target.tiny else ([(256, 96), (256, 32)], [(256, 224)])
    pipelines = {"plain": (without_solarize, PLAIN), "turns": (turns, TURNED)}
    chosen = [(name, *pipeline, *of) for of in small for name, pipeline in pipelines.items()]
    chosen += [("solarize", kornia_pipeline, SOLARIZED, *of) for of in (*small, *large)]
    return {
        f"{name}, {batch}×3×{size}²": partial(_case, target, make, bounds, batch, size)
        for name, make, bounds, batch, size in chosen
    }


def _case(
    target: Target, make: Callable[[int], nn.Module], bounds: Bounds, batch: int, size: int
) -> list[Row]:
    images, cpu = pictures(target, batch, size), Target(torch.device("cpu"))
    seeds = SEEDS if size < 224 else SEEDS[:1]  # a CPU takes seconds for one
    wanted = _all(recorder(make(size), cpu), images.cpu(), seeds)
    rows, on_device = [], None
    for way in (KORNIA, FUSED, *([FUSED_COMPILED] if bounds is SOLARIZED else [])):
        found, noted = attempt(lambda: _all(recorder(make(size), target, way), images, seeds))  # noqa: B023
        row: Row = {"way": way, **noted}
        if found is not None:
            on_device = found if way == KORNIA else on_device
            row.update(compared(found, wanted, on_device, bounds))
        rows.append(row)
    return rows


def _all(
    augment: Callable[[Tensor], tuple[Tensor, Record]], images: Tensor, seeds: Iterable[int]
) -> list[Drawn]:
    made = []
    with in_full():
        for seed in seeds:
            torch.manual_seed(seed)
            views, record = augment(images)
            host = {name: entry.cpu() for name, entry in record.items()}
            made.append(Drawn(views.cpu(), host, torch.get_rng_state()))
    return made


def compared(
    found: list[Drawn], wanted: list[Drawn], on_device: list[Drawn] | None, bounds: Bounds = PLAIN
) -> Row:
    """Compare what was drawn, seed by seed.

    Args:
        found: what a way drew on the device.
        wanted: what Kornia drew on the CPU.
        on_device: what Kornia drew on the device, if it could.
        bounds: by how much views may differ.
    """
    pairs = list(zip(found, wanted, strict=True))
    names = {name for one, two in pairs for name in differing(one.record, two.record)}
    same_state = all(torch.equal(one.state, two.state) for one, two in pairs)
    row: Row = {
        "records": f"differ in {', '.join(sorted(names))}" if names else "equal",
        "random state": "equal" if same_state else "differs",
        "from the CPU's": _away(found, wanted, bounds.devices, bounds.jumps),
    }
    if on_device is not None and on_device is not found:
        row["from Kornia's there"] = _away(found, on_device, bounds.same, bounds.jumps)
    return row


def differing(one: Record, two: Record) -> list[str]:
    """List the entries of which two records do not hold the same bits."""
    return [
        name
        for name in sorted({*one, *two})
        if name not in one or name not in two or not torch.equal(one[name], two[name])
    ]


def _away(found: list[Drawn], wanted: list[Drawn], tolerance: float, jumps: float) -> str:
    """Say by how much views differ, and whether that fits."""
    away = torch.stack([(a.views - b.views).abs() for a, b in zip(found, wanted, strict=True)])
    beyond = int((~(away <= tolerance)).sum())  # NaN is beyond it too
    most = f"{float(away.max()):.1e}"
    if beyond:
        most += f", {beyond} of {away.numel():,} beyond {tolerance:.0e}"
    return f"{most}, {'fits' if beyond <= jumps * away.numel() else 'differs'}"
