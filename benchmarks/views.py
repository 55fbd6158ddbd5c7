"""How many views a second each way makes, the networks left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from asked import asked, unseen
from counting import calls_compiled
from pipelines import kornia_pipeline
from term import has_compiler
from timing import side_by_side
from torch import Tensor, nn
from ways import BATCHES, Way, fused, image_by_image, on_device, plain

from augself_loss.recording.kornia.fused.compiled import compiled

Row = dict[str, Any]


def rows(*, quick: bool, sizes: tuple[int, ...] = tuple(BATCHES)) -> Iterator[Row]:
    """Time all ways, two views of a batch in turn; a row for each."""
    for size in sizes:
        batch = 8 if quick else BATCHES[size]
        images = torch.rand(batch, 3, size, size)
        work = {name: _seeded(way.two) for name, way in _ways(size, images).items()}
        times = side_by_side(work, budget=1 if quick else 60, rounds=40, warm_up=4)
        for name, timing in times.items():
            first, third = times["Kornia"].quartiles(timing)
            yield {
                "px": size, "batch": batch, "way": name,
                "views / s": 2 * batch / timing.median,
                "times Kornia's": times["Kornia"].over(timing),
                "quartiles": f"{first:.2f} to {third:.2f}",
            }  # fmt: skip


def _ways(size: int, images: Tensor) -> dict[str, Way]:
    ways = on_device(size, images, compiled=has_compiler())
    if has_compiler():
        ways["Kornia, jitter compiled"] = plain(_compiled(size, K.ColorJitter), images)
        ways["Kornia, all compiled"] = plain(_compiled(size, nn.Module), images)
    return {**ways, **image_by_image(size, len(images))}


def _compiled(size: int, which: type[nn.Module]) -> K.AugmentationSequential:
    """Make Kornia's pipeline with some of its children compiled, each by itself."""
    pipeline = kornia_pipeline(size)
    for child in pipeline.children():
        if isinstance(child, which):
            child.compile()
    return pipeline


def _seeded(run: Callable[[], object]) -> Callable[[], object]:
    """Draw differently each time, but all ways alike: what is skipped costs little."""
    seed = 0

    def seeded() -> object:
        nonlocal seed
        seed += 1
        torch.manual_seed(seed)
        return run()

    return seeded


def launches(*, quick: bool, sizes: tuple[int, ...] = tuple(BATCHES)) -> Iterator[Row]:
    """Count what a view asks of a device, a row for each way that augments there."""
    batch = 8 if quick else 256
    for size in sizes:
        images = torch.empty(batch, 3, size, size, device="meta")
        for name, way in on_device(size, images).items():
            draws = 16 if name.startswith("torchvision") else 2  # it skips what it did not draw
            yield {"px": size, "batch": batch, "way": name, **_per_view(way, batch, draws)}
        if has_compiler():
            yield {"px": size, "batch": batch, "way": "fused, compiled", **_compiled_view(images)}


def _compiled_view(images: Tensor) -> Row:
    """Count the launches between the graphs on meta, and the kernels that the graphs call."""
    size = images.shape[-1]
    few = torch.rand(4, 3, size, size)
    kernels = calls_compiled(_seeded(fused(size, few, compile=True).two))
    compiled.cache_clear()
    with mock.patch("torch.compile", unseen):
        row = _per_view(fused(size, images, compile=True), len(images))
    compiled.cache_clear()
    return {**row, "launches": row["launches"] + kernels, "MB / image": ""}


def _per_view(way: Way, batch: int, draws: int = 2) -> Row:
    """Say what a view asks for, on average over some."""

    def run() -> None:
        for seed in range(draws // 2):
            torch.manual_seed(seed)
            way.two()

    seen = asked(run)

    def mean(total: int) -> int | float:
        return total / draws if total % draws else total // draws

    return {
        "launches": mean(seen.launches), "copies to it": mean(seen.copies),
        "waited for": mean(seen.waits), "reads of it": mean(seen.reads),
        "MB / image": seen.bytes / draws / batch / 1e6,
        "host operations": mean(seen.host_operations), "host reads": mean(seen.host_reads),
    }  # fmt: skip
