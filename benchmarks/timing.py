"""Times several pieces of work side by side, so that their ratios survive a busy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Name = TypeVar("Name")


@dataclass(frozen=True)
class Timing:
    """Seconds of one piece of work, round by round."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Median over the rounds, in seconds."""
        return statistics.median(self.seconds)

    def over(self, other: Timing) -> float:
        """Median of the rounds' ratios to another work that ran in the same rounds."""
        return statistics.median(self._ratios(other))

    @property
    def spread(self) -> tuple[float, float]:
        """First and third quartile over the rounds, in seconds."""
        return _quartiles(self.seconds)

    def quartiles(self, other: Timing) -> tuple[float, float]:
        """First and third quartile of the rounds' ratios to another work: how noisy they are."""
        return _quartiles(self._ratios(other))

    def _ratios(self, other: Timing) -> list[float]:
        return [a / b for a, b in zip(self.seconds, other.seconds, strict=True)]


def _quartiles(values: list[float]) -> tuple[float, float]:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def on_host() -> None:
    """Wait for nothing: what a CPU was given is done when its call returns."""


def side_by_side(
    work: Mapping[Name, Callable[[], object]],
    *,
    budget: float = 6.0,
    rounds: int = 60,
    warm_up: int = 2,
    synchronize: Callable[[], object] = on_host,
) -> dict[Name, Timing]:
    """Run each in turn, again and again.

    Args:
        work: name → what to time, gradients and all included.
        budget: seconds for everything; at least five rounds are made.
        rounds: at most so many rounds.
        warm_up: rounds before: caches, compilation, first allocations.
        synchronize: waits until the device has done what it was given; a call's time ends there.

    Returns:
        Name → timing.
    """
    for _ in range(warm_up):
        for run in work.values():
            run()
    synchronize()
    seconds: dict[Name, list[float]] = {name: [] for name in work}
    start = time.perf_counter()
    for number in range(rounds):
        if number >= 5 and time.perf_counter() - start > budget:
            break
        for name, run in work.items():
            began = time.perf_counter()
            run()
            synchronize()
            seconds[name].append(time.perf_counter() - began)
    return {name: Timing(times) for name, times in seconds.items()}
