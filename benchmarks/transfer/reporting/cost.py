"""What the term costs: steps that were timed in turn, or the runs' own times where none were."""

from __future__ import annotations

from transfer.costs import Costs
from transfer.reporting.collect import Collection
from transfer.reporting.comparing import Comparison, main_grid
from transfer.reporting.intervals import Estimate, estimate
from transfer.reporting.scores import SECONDS, named, seconds
from transfer.reporting.sections import seeds_cell
from transfer.reporting.tables import Cell, Table, number


def cost_table(collection: Collection, costs: Costs | None = None) -> Table | None:
    """Make the table of a step's time, or of the pretraining's where no step was timed.

    Args:
        collection: the runs.
        costs: steps that were timed; of one machine, whichever the runs were made on.
    """
    timed = None if costs is None else _of_steps(collection, costs)
    return timed or _of_runs(collection)


def measured(costs: Costs) -> str:
    """Say how steps were measured: machine, date, settings that are not the recipe's."""
    said = [costs.versions[key] for key in ("machine", "date") if key in costs.versions]
    said += [f"{name}={value}" for name, value in costs.settings.items()]
    return ", ".join(said)


def _of_steps(collection: Collection, costs: Costs) -> Table | None:
    rows = []
    for method in main_grid(collection, seconds).rows:
        plain, own = costs.of(method, "plain"), costs.of(method, "augself")
        if plain is None or own is None:
            continue
        told = (
            f"{plain.milliseconds:.0f}", f"{own.milliseconds:.0f}", f"{own.ratio:.2f}",
            f"{(own.weights - plain.weights) / 1e6:.2f} M",
        )  # fmt: skip
        rows.append((Cell(named(method)), *map(Cell, told)))
    note = f"Medians of steps in turn, views included; of one thread ({measured(costs)})."
    headers = ("", "base, ms", "+ AugSelf, ms", "ratio", "weights\nadded")
    return Table("cost", "Time of a training step", headers, tuple(rows), note) if rows else None


def _of_runs(collection: Collection) -> Table | None:
    grid = main_grid(collection, seconds)
    if not grid.items:
        return None
    rows = []
    for method, row in grid.rows.items():
        found = row[grid.items[0]]
        rows.append((Cell(named(method)), number(found.plain, SECONDS),
                     number(found.augself, SECONDS), _times(found), seeds_cell(found)))  # fmt: skip
    where = " on a machine that ran two of them at a time" if collection.data == "offline" else ""
    note = f"Wall time as the runs went{where}: a rough figure, no benchmark."
    headers = ("", "base, s", "+ AugSelf, s", "ratio", "pairs")
    return Table("cost", "Time of the pretraining", headers, tuple(rows), note)


def _times(found: Comparison) -> Cell:
    """Write how many times as long: 1 is the neutral value, so neither sign nor bold."""
    ratio = _ratio(found)
    if ratio is None:
        return Cell("–")
    width = "–" if ratio.interval is None else f"{ratio.interval:.2f}"
    return Cell(f"{ratio.mean:.2f} ± {width}", estimate=ratio)


def _ratio(found: Comparison) -> Estimate | None:
    if found.gain is None or found.plain is None or found.augself is None:
        return None
    plain, augself = found.plain.values, found.augself.values
    return estimate({seed: augself[seed] / plain[seed] for seed in plain if plain[seed] > 0})
