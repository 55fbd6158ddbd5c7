"""AugSelf beside its neighbours: what every arm gains on the plain runs, knows, and costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from transfer.reporting.collect import ARMS, Collection, Run
from transfer.reporting.comparing import MEAN, Comparison, Row, compare, with_mean
from transfer.reporting.intervals import Estimate
from transfer.reporting.others import others_table
from transfer.reporting.scores import (
    NUMBER,
    RANK,
    SECONDS,
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
    seconds,
)
from transfer.reporting.sections import seeds_cell, times
from transfer.reporting.tables import Cell, Table, gain, number

ARM_NAMES = {
    "augself": "AugSelf",
    "cassle": "CASSLE",
    "cassle-augself": "CASSLE + AugSelf",
    "equimod": "EquiMod",
    "stl": "STL",
    "essl": "E-SSL",
}
THIRD = {"equimod": "the plain picture", "essl": "a small one, turned four ways"}
"""What further view an arm's backbone sees in every step."""

COLOR, POSITION, BOXES = Item("color tasks"), Item("position tasks"), Item("boxes", "IoU, %")
HELD_OUT = Item("in-domain", "linear")
GAINED = (MEAN, COLOR, POSITION, BOXES, HELD_OUT)
KNOWN = (
    Item("color", "R²", NUMBER), Item("crop", "R²", NUMBER),
    Item("color", "MRR", RANK), Item("crop", "MRR", RANK),
)  # fmt: skip

TIME = Item("seconds", unit=SECONDS)

Count: TypeAlias = Callable[[Mapping[str, Any]], int | None]
"""Says how many weights a run of these settings adds."""

NOTE = (
    "Gain: arm − plain of the same seed, mean over seeds ± half the 95 % Student-t interval; bold "
    "where that interval excludes 0. {tests}"
)


def objectives_tables(collection: Collection, count: Count | None = None) -> list[Table]:
    """Make the tables of all arms; none where no neighbour of AugSelf was run.

    Args:
        collection: all runs.
        count: says how many weights an arm adds.
    """
    rows, read = _rows(collection)
    if not rows:
        return []
    return [
        _gains(rows, _tests(collection.runs)),
        _known(rows, collection, read),
        _costs(rows, collection, count),
        others_table(),
    ]


def objectives_gains(collection: Collection) -> dict[str, dict[str, Estimate]]:
    """List the mean gain of every arm by method, as they are written."""
    found: dict[str, dict[str, Estimate]] = {}
    for method, arm, row in _rows(collection)[0]:
        gained = row[MEAN].gain if MEAN in row else None
        if gained is not None:
            found.setdefault(named(method), {})[ARM_NAMES[arm]] = gained
    return found


def _rows(collection: Collection) -> tuple[list[tuple[str, str, Row]], Reader]:
    """Compare every arm with plain, and say how its runs were read."""
    runs = [run for run in collection.runs if not run.variant]
    compared = methods([run for run in runs if run.arm not in ("plain", "augself")])
    read = _reader([run for run in runs if run.method in compared])
    items_of = [*GAINED, *KNOWN, TIME]
    rows = [
        (method, arm, compare(collection.select(method, "plain"), found, read, items_of))
        for method, arm, found in _arms(collection, compared)
    ]
    return rows, read


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
        return {**found, **readability(run), **equivariance(run), **seconds(run)}

    return read


def _gains(rows: Sequence[tuple[str, str, Row]], tests: str) -> Table:
    cells = [
        (*_labels(method, arm), number(row[MEAN].augself), *(gain(row[i].gain) for i in GAINED),
         seeds_cell(row[MEAN]))
        for method, arm, row in rows
    ]  # fmt: skip
    headers = ("", "arm", "mean", "gain", *(f"gain,\n{item.key}" for item in GAINED[1:]), "pairs")
    title = "Linear evaluation, boxes and in-domain accuracy, %, of every objective"
    return Table("objectives", title, headers, tuple(cells), NOTE.format(tests=tests), labels=2)


def _known(rows: Sequence[tuple[str, str, Row]], collection: Collection, read: Reader) -> Table:
    cells: list[tuple[Cell, ...]] = []
    for method in dict.fromkeys(method for method, _, _ in rows):
        plain = collection.select(method, "plain")
        row = compare(plain, [], read, KNOWN)
        values = [(number(row[item].plain, item.unit), Cell("")) for item in KNOWN]
        cells.append((Cell(named(method)), Cell("plain"), *(c for pair in values for c in pair)))
        for _, arm, row in (each for each in rows if each[0] == method):
            found = [(row[item], item.unit) for item in KNOWN]
            pairs = [(number(c.augself, unit), gain(c.gain, unit)) for c, unit in found]
            cells.append((*_labels(method, arm), *(cell for pair in pairs for cell in pair)))
    headers = [header for item in KNOWN for header in (item.header, "gain")]
    title = "What the features of every objective know of the augmentations"
    note = "R² of what differs between two views; MRR of finding a view by its predicted features."
    return Table("objectives_known", title, ("", "arm", *headers), tuple(cells), note, labels=2)


def _costs(
    rows: Sequence[tuple[str, str, Row]], collection: Collection, count: Count | None
) -> Table:
    cells = []
    for method, arm, row in rows:
        found = row[TIME]
        run = collection.select(method, arm)[0]
        added = None if count is None else count(run.config)
        cells.append((*_labels(method, arm), number(found.augself, SECONDS), times(found),
                      *_epochs(found, run), Cell("–" if added is None else _millions(added)),
                      Cell(THIRD.get(arm, "none"))))  # fmt: skip
    note = (
        "Wall time as the runs went, which were not all made beside the same others: a rough "
        "figure; `python -m transfer steps` measures in turn. Plain epochs: how many a plain run "
        "makes in the time that the arm takes for its own. Weights are trained and thrown away."
    )
    headers = (
        "",
        "arm",
        "time, s",
        "beside plain",
        "epochs",
        "plain epochs",
        "weights added",
        "third view",
    )
    title = "What every objective costs"
    return Table("objectives_cost", title, headers, tuple(cells), note, labels=2)


def _epochs(found: Comparison, run: Run) -> tuple[Cell, Cell]:
    """Say how many epochs an arm makes, and how many plain ones its time is worth."""
    epochs = run.config.get("epochs")
    if found.plain is None or found.augself is None or not epochs or not found.plain.mean:
        return Cell(str(epochs or "–")), Cell("–")
    return Cell(str(epochs)), Cell(f"{epochs * found.augself.mean / found.plain.mean:.0f}")


def _millions(weights: int) -> str:
    return f"{weights / 1e6:.2f} M"


def _labels(method: str, arm: str) -> tuple[Cell, Cell]:
    return Cell(named(method)), Cell(ARM_NAMES[arm])


def _tests(runs: Sequence[Run]) -> str:
    """Name the tasks that the columns are means of."""
    tasks = items(runs, linear)
    kinds = {kind: [t.key for t in tasks if t.about == kind] for kind in ("color", "position")}
    said = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    return f"Mean: over all {len(tasks)} tasks. Of these, {'; '.join(said)}." if said else ""
