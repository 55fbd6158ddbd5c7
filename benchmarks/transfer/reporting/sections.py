"""The tables of the main grid: one function a section of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from transfer.reporting.collect import Collection
from transfer.reporting.comparing import MEAN, Comparison, Grid, main_grid
from transfer.reporting.intervals import Estimate, estimate
from transfer.reporting.scores import (
    Item,
    Reader,
    by_chance,
    by_guessing,
    columns,
    equivariance,
    few_shot,
    in_domain,
    items,
    localization,
    named,
    probes,
    readability,
    retrieval,
)
from transfer.reporting.tables import Cell, Table, gain, number

GAIN_NOTE = (
    "Gain: AugSelf − base of the same seed, mean over seeds ± half the 95 % Student-t interval; "
    "bold where that interval excludes 0."
)


def arms(name: str, title: str, grid: Grid, note: str = "") -> Table | None:
    """Make three rows a method: base, + AugSelf, gain; ``None`` if nothing was measured."""
    if not grid.items:
        return None
    rows: list[tuple[Cell, ...]] = []
    for method, row in grid.rows.items():
        found = [(row[item], item.unit) for item in grid.items]
        rows += [
            (Cell(named(method)), *(number(c.plain, unit) for c, unit in found)),
            (Cell("+ AugSelf"), *(number(c.augself, unit) for c, unit in found)),
            (Cell("gain"), *(gain(c.gain, unit) for c, unit in found)),
        ]
    headers = ("", *(item.header for item in grid.items))
    return Table(name, title, headers, tuple(rows), note, group=3)


def compared(found: Comparison) -> tuple[Cell, ...]:
    """Make four cells of one comparison: base, + AugSelf, gain, number of pairs."""
    return number(found.plain), number(found.augself), gain(found.gain), seeds_cell(found)


def by_method(grid: Grid) -> Table:
    """Make one row a method: means over all tasks, and on how many tasks it gains."""
    # Of a single task there is no column of its own for the mean.
    item = MEAN if MEAN in grid.items else grid.items[0]
    rows = []
    for method, row in grid.rows.items():
        found = row[item]
        rows.append((Cell(named(method)), *compared(found), *_counted(_task_gains(grid, method))))
    pooled = grid.pooled(item)
    pairs = Cell(str(len(pooled.values)) if pooled else "0")
    every = [g for method in grid.rows for g in _task_gains(grid, method)]
    rows.append((Cell("all methods"), Cell(""), Cell(""), gain(pooled), pairs, *_counted(every)))
    return Table(
        "mean_gain",
        f"Mean over {_tasks(grid)}, %",
        ("", "base", "+ AugSelf", "gain", "pairs", "task gains", "clear gains", "clear losses"),
        tuple(rows),
        "The mean over tasks is taken seed by seed, the interval over seeds; for all methods over "
        f"all pairs of runs, as if they were independent. {chance_note(grid)}",
    )


def by_task(grid: Grid) -> Table:
    """Make one row a task: its gain over all methods and seeds."""
    rows = []
    for item in grid.items:
        if item != MEAN:
            gains = grid.gains(item)
            counted = _counted(list(gains.values()))
            rows.append((Cell(item.key), Cell(item.about), gain(grid.pooled(item)), *counted))
    return Table(
        "task_gain",
        "Gain by task, over all methods, points",
        ("task", "lives on", "gain", "methods that gain", "clear gains", "clear losses"),
        tuple(rows),
        "Every pair of method and seed is one value here, as if they were independent.",
        labels=2,
    )


def chance_note(grid: Grid) -> str:
    """Say how many intervals would exclude 0 if AugSelf did nothing."""
    known = [g for m in grid.rows for g in _task_gains(grid, m) if g.interval is not None]
    if not known:
        return "One seed gives no interval."
    return (
        f"Of {len(known)} intervals (methods × tasks) about {len(known) * 0.05:.0f} would exclude "
        f"0 by chance; {sum(g.excludes_zero for g in known)} do."
    )


def few_shot_table(collection: Collection) -> Table | None:
    """Make the table of few-shot episodes."""
    widths = [
        episodes["interval"]
        for run in collection.main()
        for task in (run.metrics.get("few_shot") or {}).values()
        for episodes in task.values()
        if "interval" in episodes
    ]
    own = (
        f"One run's own interval over its episodes is at most ± {100 * max(widths):.1f}."
        if widths
        else ""
    )
    grid = main_grid(collection, few_shot, mean=True)
    return arms("few_shot", "5-way few-shot episodes, accuracy, %", grid, own)


def localization_table(collection: Collection) -> Table | None:
    """Make the table of box regression."""
    title = "Boxes by ridge regression: mean intersection over union, and R²"
    return arms("localization", title, main_grid(collection, localization))


def readability_table(collection: Collection) -> Table | None:
    """Make the table of the parameters that are read from pairs of features."""
    title = "Augmentation parameters read from pairs of frozen features, on held-out pictures"
    grid = main_grid(collection, readability)
    return _above_chance(arms("readability", title, grid), grid, chance(collection))


def chance(collection: Collection, read: Reader = by_chance) -> dict[Item, Estimate]:
    """Mean over all runs of what is read of a parameter by one who knows no features."""
    runs = collection.main()
    known = {
        item: estimate({run.name: read(run)[item] for run in runs if item in read(run)})
        for item in items(runs, read)
    }
    return {item: found for item, found in known.items() if found is not None}


def _above_chance(table: Table | None, grid: Grid, known: Mapping[Item, Estimate]) -> Table | None:
    """Add the row that says what chance comes to."""
    if table is None:
        return None
    row = (number(known.get(item), item.unit) for item in grid.items)
    return replace(table, rows=(*table.rows, (Cell("by chance"), *row)))


def columns_table(collection: Collection) -> Table | None:
    """Make the table of single columns of the parameters."""
    grid = main_grid(collection, columns)
    return arms("columns", "R² of every column of these parameters", grid)


def probes_table(collection: Collection) -> Table | None:
    """Make the table of single columns, read linearly and by an MLP."""
    title = "R² of every column by the linear probe and, beside it, by a small MLP"
    note = "Differences of crops are in the first view's own frame: mirrored where that is flipped."
    return arms("probes", title, main_grid(collection, probes), note)


def equivariance_table(collection: Collection) -> Table | None:
    """Make the table of views that are found by their predicted features."""
    title = "Views found among others of their picture by their predicted features"
    found = [
        m for run in collection.main() for m in (run.metrics.get("equivariance") or {}).values()
    ]
    most = max((m["candidates"] for m in found if "candidates" in m), default=0)
    note = (
        f"Up to {most:.0f} views of a held-out picture that differ in this type alone. MRR: mean "
        "reciprocal rank of the right one; Hit@k: how often it is among the first k. The predictor "
        "is linear in the features and in the parameters' difference, fitted on other pictures."
    )
    grid = main_grid(collection, equivariance)
    return _above_chance(
        arms("equivariance", title, grid, note), grid, chance(collection, by_guessing)
    )


def in_domain_table(collection: Collection) -> Table | None:
    """Make the table of the accuracy on the pretraining's own classes."""
    title = "Held-out pictures of the pretraining's kind, accuracy, %"
    return arms("in_domain", title, main_grid(collection, in_domain))


def retrieval_table(collection: Collection) -> Table | None:
    """Make the table of nearest neighbours."""
    title = "Nearest neighbours among the frozen features, %"
    note = (
        "P@5: how many of the nearest five are of the query's class; mAP: mean average precision."
    )
    return arms("retrieval", title, main_grid(collection, retrieval), note)


def seeds_cell(found: Comparison) -> Cell:
    """Write the number of pairs."""
    return Cell(str(len(found.gain.values)) if found.gain else "0")


def _task_gains(grid: Grid, method: str) -> list[Estimate]:
    found = (grid.rows[method][item].gain for item in grid.items if item != MEAN)
    return [gain for gain in found if gain is not None]


def _counted(gains: Sequence[Estimate]) -> tuple[Cell, Cell, Cell]:
    """Count gains, and the gains and losses whose interval excludes 0."""
    sure = [found for found in gains if found.excludes_zero]
    up = sum(found.positive for found in gains)
    clear = sum(found.positive for found in sure)
    if not gains:
        return Cell("–"), Cell("–"), Cell("–")
    return Cell(f"{up} of {len(gains)}"), Cell(str(clear)), Cell(str(len(sure) - clear))


def _tasks(grid: Grid) -> str:
    count = sum(item != MEAN for item in grid.items)
    return f"{count} task{'s' * (count != 1)}"
