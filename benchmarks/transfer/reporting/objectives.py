"""AugSelf beside its neighbours: what every arm gains on the plain runs, knows, and costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transfer.reporting.collect import ARMS, Collection, Run
from transfer.reporting.comparing import MEAN, Grid, Row, compare, with_mean
from transfer.reporting.intervals import Estimate
from transfer.reporting.scores import (
    NUMBER,
    RANK,
    Item,
    Reader,
    Scores,
    equivariance,
    in_domain,
    items,
    linear,
    localization,
    methods,
    named,
    readability,
)
from transfer.reporting.sections import seeds_cell
from transfer.reporting.tables import Cell, Table, gain, number

ARM_NAMES = {
    "augself": "AugSelf",
    "cassle": "CASSLE",
    "cassle-augself": "CASSLE + AugSelf",
    "equimod": "EquiMod",
    "stl": "STL",
    "essl": "E-SSL",
}
COLOR, POSITION, BOXES = Item("color tasks"), Item("position tasks"), Item("boxes", "IoU, %")
HELD_OUT = Item("in-domain", "linear")
GAINED = (MEAN, COLOR, POSITION, BOXES, HELD_OUT)
KNOWN = (
    Item("color", "R²", NUMBER), Item("crop", "R²", NUMBER),
    Item("color", "MRR", RANK), Item("crop", "MRR", RANK),
)  # fmt: skip
POOLED = (*GAINED, KNOWN[0], KNOWN[2])

NOTE = (
    "Gain: arm − plain of the same seed, mean over seeds ± half the 95 % Student-t interval; bold "
    "where that interval excludes 0. {tests}"
)


class Compared(NamedTuple):
    """Every arm of every method, held against plain runs.

    Args:
        collection: the runs.
        rows: method, arm, and what came of it.
        read: takes a run's scores.
    """

    collection: Collection
    rows: tuple[tuple[str, str, Row], ...]
    read: Reader

    @property
    def methods(self) -> list[str]:
        """Those that were compared."""
        return list(dict.fromkeys(method for method, _, _ in self.rows))


def compare_arms(collection: Collection, plain: Collection | None = None) -> Compared:
    """Compare all arms of the methods that a neighbour of AugSelf was trained with.

    Args:
        collection: all runs.
        plain: other plain runs to hold them against.
    """
    base = collection if plain is None else plain
    runs = [run for run in collection.runs if not run.variant]
    compared = methods([run for run in runs if run.arm not in ("plain", "augself")])
    read = _reader([run for run in runs if run.method in compared])
    rows = tuple(
        (method, arm, compare(base.select(method, "plain"), found, read, [*GAINED, *KNOWN]))
        for method, arm, found in _arms(collection, compared)
    )
    return Compared(collection, rows, read)


def objectives_tables(compared: Compared) -> list[Table]:
    """Make the tables of what all arms gain and know; none where nothing was compared."""
    if not compared.rows:
        return []
    pooled = _pooled(compared.rows) if len(compared.methods) > 1 else []
    return [_gains(compared), *pooled, _known(compared)]


def objectives_gains(compared: Compared) -> dict[str, dict[str, Estimate]]:
    """List the mean gain of every arm by method, as they are written."""
    found: dict[str, dict[str, Estimate]] = {}
    for method, arm, row in compared.rows:
        gained = row[MEAN].gain if MEAN in row else None
        if gained is not None:
            found.setdefault(named(method), {})[ARM_NAMES[arm]] = gained
    return found


def _arms(collection: Collection, compared: Sequence[str]) -> Iterator[tuple[str, str, list[Run]]]:
    for method in compared:
        for arm in ARMS[1:]:
            found = collection.select(method, arm)
            if found:
                yield method, arm, found


def _reader(runs: Sequence[Run]) -> Reader:
    """Read all that the tables show, of runs whose tasks are these."""
    averaged = with_mean(linear, items(runs, linear))

    def read(run: Run) -> Scores:
        scores = averaged(run)
        found: Scores = {MEAN: scores[MEAN]} if MEAN in scores else {}
        for item, kind in ((COLOR, "color"), (POSITION, "position")):
            of_kind = [score for task, score in scores.items() if task.about == kind]
            if of_kind:
                found[item] = statistics.fmean(of_kind)
        boxes = [score for task, score in localization(run).items() if task.about == BOXES.about]
        if boxes:
            found[BOXES] = statistics.fmean(boxes)
        own = {item: score for item, score in in_domain(run).items() if item.about == "linear"}
        if own:
            found[HELD_OUT] = statistics.fmean(own.values())
        return {**found, **readability(run), **equivariance(run)}

    return read


def _gains(compared: Compared) -> Table:
    cells = [
        (*labels(method, arm), number(row[MEAN].augself), *(gain(row[i].gain) for i in GAINED),
         seeds_cell(row[MEAN]))
        for method, arm, row in compared.rows
    ]  # fmt: skip
    headers = ("", "arm", "mean", "gain", *(f"gain,\n{item.key}" for item in GAINED[1:]), "pairs")
    title = "Linear evaluation, boxes and in-domain accuracy, %, of every objective"
    note = NOTE.format(tests=_tests(compared.collection.runs))
    return Table("objectives", title, headers, tuple(cells), note, labels=2)


def _pooled(rows: Sequence[tuple[str, str, Row]]) -> list[Table]:
    """Put the pairs of all methods together: for which use an arm helps."""
    cells = []
    for arm in (name for name in ARMS if any(name == own for _, own, _ in rows)):
        grid = Grid(POOLED, {method: row for method, own, row in rows if own == arm})
        found = [(item, grid.pooled(item)) for item in POOLED]
        pairs = len(found[0][1].values) if found[0][1] else 0
        shown = (gain(each, item.unit) for item, each in found)
        cells.append((Cell(ARM_NAMES[arm]), *shown, Cell(str(pairs))))
    columns = [f"gain,\n{' '.join(item.header.split())}" for item in POOLED[1:]]
    headers = ("arm", "gain", *columns, "pairs")
    title = "What every objective gains, the pairs of all methods together"
    note = (
        "Accuracies in points. Every pair of method and seed is one value; how different methods "
        "are is in the interval, too."
    )
    return [Table("objectives_pooled", title, headers, tuple(cells), note)]


def _known(compared: Compared) -> Table:
    cells: list[tuple[Cell, ...]] = []
    for method in compared.methods:
        plain = compared.collection.select(method, "plain")
        row = compare(plain, [], compared.read, KNOWN)
        values = [(number(row[item].plain, item.unit), Cell("")) for item in KNOWN]
        cells.append((Cell(named(method)), Cell("plain"), *(c for pair in values for c in pair)))
        for _, arm, row in (each for each in compared.rows if each[0] == method):
            found = [(row[item], item.unit) for item in KNOWN]
            pairs = [(number(c.augself, unit), gain(c.gain, unit)) for c, unit in found]
            cells.append((*labels(method, arm), *(cell for pair in pairs for cell in pair)))
    headers = [header for item in KNOWN for header in (item.header, "gain")]
    title = "What the features of every objective know of the augmentations"
    note = "R² of what differs between two views; MRR of finding a view by its predicted features."
    return Table("objectives_known", title, ("", "arm", *headers), tuple(cells), note, labels=2)


def labels(method: str, arm: str) -> tuple[Cell, Cell]:
    """Name a method and an arm."""
    return Cell(named(method)), Cell(ARM_NAMES[arm])


def _tests(runs: Sequence[Run]) -> str:
    """Name the tasks that the columns are means of."""
    tasks = items(runs, linear)
    kinds = {kind: [t.key for t in tasks if t.about == kind] for kind in ("color", "position")}
    said = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    return f"Mean: over all {len(tasks)} tasks. Of these, {'; '.join(said)}." if said else ""
