"""Runs the parts one after the other, within the time that there is, and keeps what they found."""

from __future__ import annotations

import gc
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from machine import card, machine

from accelerated.attempts import Row, attempt
from accelerated.report import write
from accelerated.target import Target

PARTS = {
    "records": ("accelerated.records", 100),
    "syncs": ("accelerated.syncs", 35),
    "views": ("accelerated.views", 50),
    "steps": ("accelerated.steps", 60),
    "term": ("accelerated.terms", 80),
    "graphs": ("accelerated.graphs", 35),
}
"""Part → its module, and its share of the time. A capture that fails can spoil what comes after it
in the process: graphs are the last."""


@dataclass(frozen=True)
class Clock:
    """When what has to be over.

    Args:
        minutes: for all parts together.
        chosen: the parts that are run.
        start: when they began, by ``time.monotonic``.
    """

    minutes: float
    chosen: Sequence[str]
    start: float

    @property
    def over(self) -> float:
        """When nothing may begin any more."""
        return self.start + 60 * self.minutes

    def ends(self, name: str) -> float:
        """When a part may begin no case but its first; what earlier parts left over is its too."""
        shares = [PARTS[part][1] for part in self.chosen]
        share = sum(shares[: self.chosen.index(name) + 1]) / sum(shares)
        return self.start + 60 * self.minutes * share


def run(
    target: Target,
    chosen: Sequence[str],
    minutes: float,
    folder: Path,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Run some parts; after every case all that was found so far is written.

    Args:
        target: the device.
        chosen: names out of :data:`PARTS`, in their order.
        minutes: when they are over, no more cases begin: those left out are named.
        folder: where the results go.
        say: told what is done.
    """
    clock = Clock(minutes, chosen, time.monotonic())
    results: dict[str, Any] = {"machine": _machine(target), "tiny": target.tiny, "parts": {}}
    for name in chosen:
        began = time.monotonic()
        part: dict[str, Any] = {"title": name, "seconds": 0.0, "rows": []}
        results["parts"][name] = part
        for case, found in _cases(name, target, clock, part):
            part["rows"] += [{"case": case, **row} for row in found]
            part["seconds"] = time.monotonic() - began
            say(f"{name}: {case}, {part['seconds']:.0f} s{_trouble(found)}")
            write(results, folder)
    return results


def _cases(
    name: str, target: Target, clock: Clock, part: dict[str, Any]
) -> Iterator[tuple[str, list[Row]]]:
    """Measure a part case by case; one that cannot even be loaded has a case ``all``."""

    def loaded() -> dict[str, Callable[[], list[Row]]]:
        module: Any = importlib.import_module(PARTS[name][0])
        part["title"] = module.TITLE
        found: dict[str, Callable[[], list[Row]]] = module.cases(target)
        return found

    cases, failed = attempt(loaded)
    if cases is None:
        yield "all", [failed]
    for number, (case, measure) in enumerate((cases or {}).items()):
        # A part whose time others took has its first case all the same.
        late = time.monotonic() > (clock.ends(name) if number else clock.over)
        yield case, [{"status": "skipped: no time left"}] if late else _measured(measure)


def _measured(measure: Callable[[], list[Row]]) -> list[Row]:
    """Measure one case, with nothing left of those before it."""

    def seeded() -> list[Row]:
        torch.manual_seed(0)
        return measure()

    rows, failed = attempt(seeded)
    attempt(torch.compiler.reset)  # or a later case compiles for all sizes at once, or gives up
    gc.collect()
    attempt(torch.cuda.empty_cache)  # nothing, where there is no CUDA
    return [failed] if rows is None else rows


def _machine(target: Target) -> dict[str, str]:
    found: dict[str, str] = {}
    for ask in (lambda: machine(torch.get_num_threads()), lambda: card(target.device)):
        said, failed = attempt(ask)
        found.update(said or {"card": failed["status"]})
    return found


def _trouble(rows: Sequence[Row]) -> str:
    troubles = [row["status"] for row in rows if "status" in row]
    return f"; {'; '.join(troubles)}" if troubles else ""
