"""Whole training steps, augmentation to optimizer, by every way to views, with the term or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from asked import asked
from counting import flops
from simsiam import SimSiam
from term import has_compiler
from timing import Timing, side_by_side
from ways import Way, image_by_image, on_device

from augself_loss import AugSelfLoss

Row = dict[str, Any]
Step = Callable[[], object]
Which = tuple[str, bool]
"""Name of the way to views, and whether the term is added."""
SETTINGS = {32: ("resnet18", 64), 96: ("resnet18", 32), 224: ("resnet50", 4)}
"""Pixels of a side → network, images in a batch."""
BASE = "Kornia"


def rows(*, quick: bool, sizes: tuple[int, ...] = tuple(SETTINGS)) -> Iterator[Row]:
    """Time every network with every way to views; a row for each, with the term and without."""
    for size in sizes:
        network, batch = SETTINGS[size] if not quick else ("resnet18", 8)
        images = torch.rand(batch, 3, size, size)
        ways = on_device(size, images, compiled=has_compiler())
        workers = image_by_image(size, batch, workers=1)
        named = {**ways, **{f"{name}, 1 worker": way for name, way in workers.items()}}
        steps = _steps(network, named)
        times = side_by_side(steps, budget=4 if quick else 100, rounds=30, warm_up=1)
        counts = _counts(network, batch, size)
        for (name, term), timing in times.items():
            base = times[BASE, False]
            yield {
                "network": network, "px": size, "batch": batch, "views": name,
                "term": "with" if term else "without",
                **_compared(timing, base), **counts.get((name, term), {}),
            }  # fmt: skip


def _compared(timing: Timing, base: Timing) -> Row:
    first, third = timing.quartiles(base)
    return {"ms": 1e3 * timing.median, "ratio": timing.over(base),
            "ratio's quartiles": f"{first:.3f} to {third:.3f}"}  # fmt: skip


def _steps(network: str, ways: dict[str, Way], device: str = "cpu") -> dict[Which, Step]:
    """Prepare the steps by all ways; those that record have one with the term."""
    encoders = next(way.encoders for way in ways.values() if way.encoders)
    training = Training(network, encoders, device)
    steps: dict[Which, Step] = {}
    for name, way in ways.items():
        if not way.encoders or name.startswith("fused"):
            steps[name, False] = training.step(way, term=False)
        if way.encoders:
            steps[name, True] = training.step(way, term=True)
    return steps


def _counts(network: str, batch: int, size: int) -> dict[Which, Row]:
    """Count what the steps ask of a device whose images are augmented there."""
    images = torch.empty(batch, 3, size, size, device="meta")
    steps = _steps(network, on_device(size, images), "meta")
    counts: dict[Which, Row] = {}
    base = None
    for which, step in steps.items():
        seen, work = asked(step), flops(step)
        base = base or (work, seen.bytes)
        counts[which] = {
            "launches": seen.launches, "copies to it": seen.copies,
            "waited for": seen.waits, "reads of it": seen.reads,
            "operations": work / base[0], "bytes": seen.bytes / base[1],
        }  # fmt: skip
    return counts


class Training:
    """SimSiam with the term's heads beside, and their optimizer.

    Args:
        network: name of torchvision's.
        encoders: of the types that the term can be told of.
        device: where all of it lies.
    """

    def __init__(self, network: str, encoders: tuple[Any, ...], device: str) -> None:
        torch.manual_seed(0)
        self.model = SimSiam(network).to(device)
        self.augself = AugSelfLoss(self.model.dim, encoders=encoders, check_values="never")
        parameters = [*self.model.parameters(), *self.augself.to(device).parameters()]
        # On an accelerator PyTorch updates all weights at once by itself, on meta if it is told.
        together = True if device == "meta" else None
        self.optimizer = torch.optim.SGD(parameters, 0.05, 0.9, foreach=together)

    def step(self, way: Way, *, term: bool) -> Step:
        """Prepare a step on two views."""
        model = self.model

        def run() -> None:
            self.optimizer.zero_grad()
            (one, two), records = way.two()
            y1, y2 = model.backbone(one), model.backbone(two)
            loss = model.loss(model.projector(y1), model.projector(y2))
            if term:
                loss = loss + self.augself(y1, y2, *records).total
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

        return run
