"""Ways of doing the same thing, timed side by side; one that fails stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from timing import Timing, side_by_side

from accelerated.attempts import Row, attempt
from accelerated.target import Target

Way: TypeAlias = Callable[[], Callable[[], object]]
"""Prepares what is timed."""


@dataclass
class Comparison:
    """What was timed, and what failed.

    Args:
        target: the device.
        calls: how often a way is called in a row, each time that it is timed.
        noted: way → its columns beside the time, or why it has none.
        times: way → its timing; ways that failed are left out.
    """

    target: Target
    calls: int = 1
    noted: dict[str, Row] = field(default_factory=dict)
    times: dict[str, Timing] = field(default_factory=dict)

    def rows(self, columns: Callable[[str], Row]) -> list[Row]:
        """List a row per way.

        Args:
            columns: what else is said of a way that was timed.
        """
        return [
            {"way": name, **self._timed(name, columns), **noted}
            for name, noted in self.noted.items()
        ]

    def per_call(self, name: str) -> float:
        """Return the median seconds of one call."""
        return self.times[name].median / self.calls

    def against(self, name: str, other: str, *, faster: bool = False) -> Row:
        """Compare a way with another one, if both were timed.

        Args:
            name: the way.
            other: what it is compared with.
            faster: say how many times faster it is, rather than which share of the time it takes.
        """
        if name == other or other not in self.times:
            return {}
        one, two = (other, name) if faster else (name, other)
        title = f"{other} / this" if faster else f"this / {other}"
        first, third = self.times[one].quartiles(self.times[two])
        return {
            title: self.times[one].over(self.times[two]),
            f"its quartiles, {other}": f"{first:.3f} to {third:.3f}",
        }

    def _timed(self, name: str, columns: Callable[[str], Row]) -> Row:
        if name not in self.times:
            return {}
        first, third = (1e3 * seconds / self.calls for seconds in self.times[name].spread)
        quartiles = f"{first:.3f} to {third:.3f}"
        return {"ms": 1e3 * self.per_call(name), "quartiles": quartiles, **columns(name)}


def compare(
    ways: Mapping[str, Way],
    target: Target,
    *,
    budget: float,
    calls: int = 1,
    memory: bool = False,
) -> Comparison:
    """Prepare each way, call it alone, then time those that work in turn.

    Args:
        ways: name → way.
        target: the device.
        budget: seconds for the rounds.
        calls: how often a way is called in a row, each time that it is timed.
        memory: note the most bytes that a way needs, all that it prepared included.
    """
    done = Comparison(target, calls)
    work: dict[str, Callable[[], object]] = {}
    for name, way in ways.items():
        started, done.noted[name] = attempt(lambda: _started(way, target, memory=memory))  # noqa: B023
        if started is not None:
            work[name], done.noted[name] = started
    if work:
        done.times = side_by_side(
            {name: _repeated(run, calls) for name, run in work.items()},
            budget=budget, rounds=2 if target.tiny else 200, synchronize=target.synchronize,
        )  # fmt: skip
    return done


def _repeated(run: Callable[[], object], calls: int) -> Callable[[], object]:
    def repeated() -> None:
        for _ in range(calls):
            run()

    return repeated


def _started(way: Way, target: Target, *, memory: bool) -> tuple[Callable[[], Any], Row]:
    """Prepare a way and make its first call, which compiles and allocates."""
    before, nothing = attempt(target.allocated) if memory else (None, {})
    began = time.perf_counter()
    run = way()
    run()
    target.synchronize()
    noted: Row = {"first call s": time.perf_counter() - began}
    if before is not None:
        target.allocated()
        run()
        target.synchronize()
        noted["peak MB"] = (target.peak() - before) / 2**20
    elif memory:
        noted["peak MB"] = nothing["status"]
    return run, noted
