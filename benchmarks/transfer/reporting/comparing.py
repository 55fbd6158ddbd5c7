"""Plain against AugSelf, seed by seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from transfer.reporting.collect import Collection, Run
from transfer.reporting.intervals import Estimate, estimate, paired
from transfer.reporting.scores import Item, Reader, items, linear, methods

MEAN = Item("mean")
"""Mean over all tasks, seed by seed."""


class Comparison(NamedTuple):
    """Two arms of one quantity; where both exist, over the seeds that both have.

    Args:
        plain: mean over seeds of the base method.
        augself: mean over seeds of the base method with AugSelf.
        gain: mean over seeds of ``augself - plain``, paired; ``None`` without a pair.
    """

    plain: Estimate | None
    augself: Estimate | None
    gain: Estimate | None


Row: TypeAlias = dict[Item, Comparison]


@dataclass(frozen=True)
class Grid:
    """What is compared, of every method.

    Args:
        items: the columns.
        rows: method → its comparisons.
    """

    items: tuple[Item, ...]
    rows: Mapping[str, Row]

    def gains(self, item: Item) -> dict[str, Estimate]:
        """Gains of one quantity by method, of the methods that have both arms."""
        found = {method: row[item].gain for method, row in self.rows.items()}
        return {method: gain for method, gain in found.items() if gain is not None}

    def pooled(self, item: Item) -> Estimate | None:
        """Gain over all methods: every pair of method and seed is one value."""
        return estimate(
            {f"{m} {seed}": v for m, g in self.gains(item).items() for seed, v in g.values.items()}
        )


def compare(
    plain: Sequence[Run], augself: Sequence[Run], read: Reader, what: Sequence[Item]
) -> Row:
    """Compare two lists of runs, one run a seed in each.

    Args:
        plain: runs of the base method.
        augself: runs with AugSelf.
        read: takes a run's scores.
        what: the quantities, those that a run lacks are left out.
    """
    return {
        item: _compare(_by_seed(plain, read, item), _by_seed(augself, read, item)) for item in what
    }


def main_grid(collection: Collection, read: Reader, *, mean: bool = False) -> Grid:
    """Compare the arms of every method of the main grid.

    Args:
        collection: all runs.
        read: takes a run's scores.
        mean: add the mean over all tasks, of the runs that have them all.
    """
    runs = collection.main()
    what = items(runs, read)
    reader = with_mean(read, what) if mean and len(what) > 1 else read
    shown = [*what, MEAN] if reader is not read else what
    return Grid(
        tuple(shown),
        {
            method: compare(
                collection.select(method, "plain"),
                collection.select(method, "augself"),
                reader,
                shown,
            )
            for method in methods(runs)
        },
    )


def with_mean(read: Reader, what: Sequence[Item]) -> Reader:
    """Let a reader also give the mean of ``what``, of runs that have them all."""

    def reader(run: Run) -> dict[Item, float]:
        scores = read(run)
        if not what or not all(item in scores for item in what):
            return scores
        return {**scores, MEAN: statistics.fmean(scores[item] for item in what)}

    return reader


def tasks_grid(collection: Collection) -> Grid:
    """Compare the linear evaluation: the main result, with its mean over tasks."""
    return main_grid(collection, linear, mean=True)


def _by_seed(runs: Sequence[Run], read: Reader, item: Item) -> dict[str, float]:
    scores = {str(run.seed): read(run) for run in sorted(runs, key=lambda run: run.seed)}
    return {seed: found[item] for seed, found in scores.items() if item in found}


def _compare(plain: dict[str, float], augself: dict[str, float]) -> Comparison:
    gains = paired(plain, augself)
    if gains:  # so that the shown gain is the difference of the shown means
        plain, augself = ({seed: arm[seed] for seed in gains} for arm in (plain, augself))
    return Comparison(estimate(plain), estimate(augself), estimate(gains))
