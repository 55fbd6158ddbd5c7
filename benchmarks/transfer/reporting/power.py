"""What the seeds could have shown: how small a gain is seen, and how many pairs a width takes."""

from __future__ import annotations

import math
import statistics
from itertools import count

from scipy import optimize, stats

from transfer.reporting.comparing import MEAN, Grid
from transfer.reporting.intervals import CONFIDENCE, Estimate
from transfer.reporting.scores import PERCENT, named
from transfer.reporting.tables import Cell, Table

POWER = 0.8
"""How often a gain of the size that is told would exclude 0."""
WIDTH = 0.01
"""Half the width of the interval that is aimed at: one point."""
MOST = 1000
"""Pairs; beyond this many none are counted."""


def detectable(spread: float, pairs: int) -> float:
    """Say how large a gain must be so that its interval excludes 0 in :data:`POWER` of the cases.

    Args:
        spread: standard deviation of the gain of one pair of runs.
        pairs: how many there are, at least 2.

    Returns:
        The gain, in the spread's unit, by the noncentral t distribution.
    """
    free, bound = pairs - 1, float(stats.t.ppf((1 + CONFIDENCE) / 2, pairs - 1))

    def lacking(shift: float) -> float:
        return float(stats.nct.sf(bound, free, shift)) - POWER

    shift = optimize.brentq(lacking, 0, 10 * bound)
    return float(shift) * spread / math.sqrt(pairs)


def pairs_for(width: float, spread: float) -> int | None:
    """Count the pairs after which the interval is expected to be no wider; ``None``: too many.

    Args:
        width: half of the interval's.
        spread: standard deviation of the gain of one pair of runs.
    """
    for pairs in count(2):
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, pairs - 1)) * spread / math.sqrt(pairs)
        if half <= width:
            return pairs
        if pairs >= MOST:
            return None
    raise AssertionError


def power_table(grid: Grid) -> Table | None:
    """Make one row a method: how sure its gain is, and what would be needed.

    Args:
        grid: the linear evaluation.

    Returns:
        ``None`` where no method has two pairs of runs.
    """
    item = MEAN if MEAN in grid.items else next(iter(grid.items), None)
    gains = grid.gains(item) if item is not None else {}
    rows = [_row(method, found) for method, found in gains.items() if len(found.values) > 1]
    if not rows:
        return None
    return Table(
        "power",
        "What the number of seeds can show, mean over all tasks, points",
        ("", "pairs", "gain", "interval", "spread of a pair", "seen in 4 of 5", "pairs for ± 1"),
        tuple(rows),
        "Spread: standard deviation of one pair's gain. Seen in 4 of 5: how large a true gain must "
        "be for so many pairs to give an interval without 0 in four of five repeats. Pairs for "
        "± 1: how many, those at hand included, the interval takes to be ± 1.0 points or less. "
        "Both take the spread for known, which of few pairs it is not.",
    )


def _row(method: str, found: Estimate) -> tuple[Cell, ...]:
    spread, pairs = statistics.stdev(found.values.values()), len(found.values)
    needed = pairs_for(WIDTH, spread)

    def points(value: float, sign: str = "") -> str:
        return f"{value * PERCENT.scale:{sign}.1f}".replace("-", "−")

    return (
        Cell(named(method)),
        Cell(str(pairs)),
        Cell(points(found.mean, "+"), found.excludes_zero),
        Cell(f"± {points(found.interval or 0)}"),
        Cell(points(spread)),
        Cell(points(detectable(spread, pairs))),
        Cell(f"over {MOST}" if needed is None else str(needed)),
    )
