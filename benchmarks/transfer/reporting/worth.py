"""What every objective costs, and what it gains on plain training of the same time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transfer.costs import Cost, Costs
from transfer.reporting.collect import Collection
from transfer.reporting.comparing import MEAN
from transfer.reporting.cost import measured
from transfer.reporting.objectives import COLOR, HELD_OUT, POSITION, Compared, compare_arms, labels
from transfer.reporting.sections import seeds_cell
from transfer.reporting.tables import Cell, Table, gain

THIRD = {"equimod": "the plain picture", "essl": "a small one, turned four ways"}
"""What further view an arm's backbone sees in every step."""
LONGER = 1.3
"""Arms whose step takes so much of a plain one's time are held against longer plain runs."""


def worth_tables(
    compared: Compared, costs: Costs, longer: Sequence[Collection] = ()
) -> list[Table]:
    """Make the tables of costs and of equal time.

    Args:
        compared: all arms beside plain.
        costs: what a step of each takes.
        longer: plain runs of other lengths; an arm is held against those nearest to its time.
    """
    return [*_costs(compared, costs), *_same_time(compared, costs, longer)]


def _costs(compared: Compared, costs: Costs) -> list[Table]:
    cells: list[tuple[Cell, ...]] = []
    for method, arm, _ in compared.rows:
        cost, plain = costs.of(method, arm), costs.of(method, "plain")
        if cost is None or plain is None:
            continue
        added = f"{(cost.weights - plain.weights) / 1e6:.2f} M"
        epochs = f"{_plain_epochs(compared, cost, method):.0f}"
        cells.append((*labels(method, arm), Cell(f"{cost.milliseconds:.0f}"),
                      Cell(f"{cost.ratio:.2f}"), Cell(epochs), Cell(added),
                      Cell(THIRD.get(arm, "none"))))  # fmt: skip
    headers = (
        "", "arm", "a step, ms", "× plain", "plain epochs\nin its time", "weights\nadded",
        "third view",
    )  # fmt: skip
    note = (
        f"Medians of steps in turn, views included; of one thread ({measured(costs)}). Weights are "
        "trained and thrown away."
    )
    table = Table("objectives_cost", "What every objective costs", headers, tuple(cells), note, 2)
    return [table] if cells else []


def _same_time(compared: Compared, costs: Costs, longer: Sequence[Collection]) -> list[Table]:
    cells: list[tuple[Cell, ...]] = []
    against = [compare_arms(compared.collection, each).rows for each in longer]
    for place, (method, arm, row) in enumerate(compared.rows):
        cost = costs.of(method, arm)
        trained = [_epochs(each, method) for each in longer]
        if cost is None or cost.ratio < LONGER or not any(trained):
            continue
        wanted = _plain_epochs(compared, cost, method)
        nearest = min(range(len(longer)), key=lambda i: abs((trained[i] or math.inf) - wanted))
        timed = against[nearest][place][2]
        shown = (gain(timed[item].gain) for item in (MEAN, COLOR, POSITION, HELD_OUT))
        cells.append((*labels(method, arm), Cell(f"{wanted:.0f}"), Cell(str(trained[nearest])),
                      gain(row[MEAN].gain), *shown, seeds_cell(timed[MEAN])))  # fmt: skip
    headers = (
        "", "arm", "plain epochs\nin its time", "those\ntrained", "gain,\nsame epochs",
        "gain,\nsame time", "gain,\ncolor tasks", "gain,\nposition tasks", "gain,\nin-domain",
        "pairs",
    )  # fmt: skip
    title = "Gains on plain training of the same time, points"
    note = (
        f"Arms whose step takes at least {LONGER} times a plain one's. The columns right of "
        "“same time” compare with those longer plain runs, too."
    )
    return [Table("objectives_same_time", title, headers, tuple(cells), note, 2)] if cells else []


def _plain_epochs(compared: Compared, cost: Cost, method: str) -> float:
    """Say how many epochs plain training makes in the time that an arm takes for its own."""
    return (_epochs(compared.collection, method) or 0) * cost.ratio


def _epochs(collection: Collection, method: str) -> int | None:
    """Say how long a method's plain runs are, if there are any."""
    found = collection.select(method, "plain")
    return int(found[0].config["epochs"]) if found else None
