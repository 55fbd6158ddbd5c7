"""What features know while they train: what was measured after some epochs of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import matplotlib.pyplot as plt

from augself_loss.plots import PLAIN, WITH, run_legend
from transfer.reporting.collect import Collection, Run
from transfer.reporting.comparing import MEAN, Comparison, Grid, compare
from transfer.reporting.intervals import Estimate
from transfer.reporting.panels import DARK, QUIET, by_epochs, save, small_multiples
from transfer.reporting.scores import (
    NUMBER,
    Item,
    Reader,
    in_domain,
    methods,
    named,
    readability,
)
from transfer.reporting.tables import Cell, Table, gain, number, said

Curves: TypeAlias = dict[str, dict[int, Comparison]]
"""Method → epoch → both arms, over the seeds that both have."""


class Quantity(NamedTuple):
    """What is followed.

    Args:
        name: for ``report.json``.
        title: of its table.
        item: which score.
        read: takes it from a run.
    """

    name: str
    title: str
    item: Item
    read: Reader


FOLLOWED = (
    Quantity("along_color", "Colour difference, R²", Item("color", "R²", NUMBER), readability),
    Quantity("along_crop", "Crop difference, R²", Item("crop", "R²", NUMBER), readability),
    Quantity("along_in_domain", "In-domain, linear, %", Item("held out", "linear"), in_domain),
)


def curves(collection: Collection, quantity: Quantity) -> Curves:
    """Compare the arms after every epoch that both were measured after.

    Args:
        collection: all runs; those that were measured after their training alone are left out.
        quantity: what is followed.
    """
    runs = [run for run in collection.main() if run.metrics.get("along")]
    found: Curves = {}
    for method in methods(runs):
        plain, augself = (
            _by_epoch(run for run in runs if (run.method, run.arm) == (method, arm))
            for arm in ("plain", "augself")
        )
        points = {
            epoch: compare(plain[epoch], augself[epoch], quantity.read, [quantity.item])
            for epoch in sorted(plain.keys() & augself.keys())
        }
        each = {epoch: row[quantity.item] for epoch, row in points.items()}
        kept = {epoch: c for epoch, c in each.items() if c.gain is not None}
        if len(kept) > 1:
            found[method] = kept
    return found


def along_tables(collection: Collection) -> list[Table]:
    """Make a table of each quantity that was followed."""
    found = ((quantity, curves(collection, quantity)) for quantity in FOLLOWED)
    return [_table(quantity, known) for quantity, known in found if known]


def draw_along(collection: Collection, grid: Grid, out: Path) -> bool:
    """Draw what features know of the colours as they train, a panel a method, beside its gain.

    Args:
        collection: all runs.
        grid: comparison of the linear evaluation.
        out: the PNG to write.

    Returns:
        Whether there is anything to draw.
    """
    quantity = FOLLOWED[0]
    found = curves(collection, quantity)
    if not found:
        return False
    figure, panels = small_multiples(len(found), min(3, len(found)), 2.9)
    highest = max(_highest(points.values()) for points in found.values())
    for axes, (method, points) in zip(panels, found.items(), strict=False):
        for arm, colour, edge in ((0, PLAIN, QUIET), (1, WITH, DARK)):
            _draw_arm(axes, {epoch: c[arm] for epoch, c in points.items()}, colour, edge)
        gained = grid.gains(MEAN).get(method) if MEAN in grid.items else None
        title = named(method) if gained is None else f"{named(method)}, gain {said(gained)}"
        axes.set_title(title, fontsize=12, loc="left")
        axes.set_ylim(0, 1.12 * highest)
        by_epochs(axes, list(points))
    title = "What features know of the colours as they train: R² of the colour difference"
    figure.suptitle(title, fontsize=14, weight="bold")
    figure.legend(handles=run_legend(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, out)
    return True


def _draw_arm(axes: plt.Axes, points: Mapping[int, Any], colour: str, edge: str) -> None:
    """Draw an arm's mean over seeds, and every seed."""
    known: dict[int, Estimate] = {epoch: e for epoch, e in points.items() if e is not None}
    for seed in next(iter(known.values())).values:
        single = {epoch: e.values[seed] for epoch, e in known.items() if seed in e.values}
        axes.plot(list(single), list(single.values()), color=colour, linewidth=0.8, alpha=0.6)
    means = [e.mean for e in known.values()]
    axes.plot(list(known), means, color=edge, linewidth=2, marker="o", markersize=5,
              markerfacecolor=colour)  # fmt: skip
    axes.annotate(f"{means[-1]:.2f}", (list(known)[-1], means[-1]), xytext=(6, 0),
                  textcoords="offset points", va="center", fontsize=9)  # fmt: skip


def _highest(points: Iterable[Comparison]) -> float:
    arms = [arm for c in points for arm in (c.plain, c.augself) if arm is not None]
    return max(value for arm in arms for value in arm.values.values())


def _by_epoch(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Sort runs as they were after an epoch by that epoch."""
    found: dict[int, list[Run]] = {}
    for run in runs:
        for epoch, metrics in run.metrics["along"].items():
            then = dataclasses.replace(run, metrics=metrics)
            found.setdefault(int(epoch), []).append(then)
        found.setdefault(int(run.config["epochs"]), []).append(run)
    return found


def _table(quantity: Quantity, found: Curves) -> Table:
    epochs = sorted({epoch for points in found.values() for epoch in points})
    unit = quantity.item.unit
    rows: list[tuple[Cell, ...]] = []
    for method, points in found.items():
        known: Sequence[Comparison | None] = [points.get(epoch) for epoch in epochs]
        rows += [
            (Cell(named(method)), *(number(c and c.plain, unit) for c in known)),
            (Cell("+ AugSelf"), *(number(c and c.augself, unit) for c in known)),
            (Cell("gain"), *(gain(c and c.gain, unit) for c in known)),
        ]
    return Table(
        quantity.name,
        f"{quantity.title}, after so many epochs",
        ("", *(str(epoch) for epoch in epochs)),
        tuple(rows),
        "Of one training each, measured on the way; over the seeds that both arms have.",
        group=3,
    )
