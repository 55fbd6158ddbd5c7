"""How a gain depends on how long is trained: runs that differ in their epochs alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from augself_loss.plots import WITH
from transfer.reporting.collect import Collection, RunsError
from transfer.reporting.comparing import MEAN, Comparison, main_grid, tasks_grid
from transfer.reporting.panels import DARK, EACH, POINTS, by_epochs, save, small_multiples
from transfer.reporting.scores import Item, in_domain, methods, named
from transfer.reporting.sections import compared
from transfer.reporting.tables import Cell, Table, gain, said

IN_DOMAIN = Item("held out", "linear")


class Length(NamedTuple):
    """A method at one length.

    Args:
        method: its name.
        epochs: how long it was trained.
        linear: linear accuracy, mean over all tasks.
        in_domain: linear accuracy on pictures of the kind that was trained on.
    """

    method: str
    epochs: int
    linear: Comparison
    in_domain: Comparison | None


def lengths(collections: Sequence[Collection]) -> list[Length]:
    """Compare the arms at every length; methods that were trained at one alone are left out.

    Args:
        collections: of one length each.

    Raises:
        RunsError: a collection of several lengths, or two of the same.
    """
    known: dict[int, Collection] = {}
    for collection in collections:
        own = {int(run.config["epochs"]) for run in collection.main()}
        if len(own) > 1 or own & known.keys():
            raise RunsError(
                f"Expected runs of another length in each file, found {sorted(own)} epochs in one "
                f"and {sorted(known)} in those before. Keep a length's runs together."
            )
        known |= dict.fromkeys(own, collection)
    found: list[Length] = []
    for epochs, collection in known.items():
        linear, held_out = tasks_grid(collection), main_grid(collection, in_domain)
        for method, row in linear.rows.items():
            if MEAN in row and row[MEAN].gain is not None:
                found.append(
                    Length(method, epochs, row[MEAN], held_out.rows[method].get(IN_DOMAIN))
                )
    several = [one for one in found if sum(one.method == other.method for other in found) > 1]
    runs = [run for collection in collections for run in collection.main()]
    order = methods(runs)
    return sorted(several, key=lambda one: (order.index(one.method), one.epochs))


def lengths_table(found: Sequence[Length]) -> Table | None:
    """Make one row a method and length."""
    if not found:
        return None
    rows = tuple(
        (
            Cell(named(one.method)), Cell(str(one.epochs)), *compared(one.linear),
            gain(None if one.in_domain is None else one.in_domain.gain),
        )
        for one in found
    )  # fmt: skip
    return Table(
        "lengths",
        "Linear accuracy by length of training, mean over the tasks, %",
        ("", "epochs", "base", "+ AugSelf", "gain", "pairs", "in-domain\ngain"),
        rows,
        "Everything but the length is equal, and the learning rate falls over the whole of it.",
        labels=2,
    )


def draw_lengths(found: Sequence[Length], out: Path) -> bool:
    """Draw the gain by length, a panel a method.

    Args:
        found: what :func:`lengths` gave.
        out: the PNG to write.

    Returns:
        Whether there is anything to draw.
    """
    names = list(dict.fromkeys(one.method for one in found))
    if not names:
        return False
    figure, panels = small_multiples(len(names), min(3, len(names)), 2.6)
    values = [v for one in found for v in _points(one)]
    for axes, method in zip(panels, names, strict=False):
        mine = [one for one in found if one.method == method]
        _draw(axes, mine)
        axes.set_title(named(method), fontsize=12, loc="left")
        axes.set_ylim(min(-0.5, *values) - 0.5, max(values) + 1.5)
    figure.suptitle(
        "Gain in linear accuracy by length of training, points", fontsize=14, weight="bold"
    )
    save(figure, out)
    return True


def _points(one: Length) -> list[float]:
    known: Any = one.linear.gain
    width = known.interval or 0.0
    return [POINTS * (known.mean - width), POINTS * (known.mean + width)]


def _draw(axes: Any, mine: Sequence[Length]) -> None:
    epochs = [one.epochs for one in mine]
    known: list[Any] = [one.linear.gain for one in mine]
    axes.axhline(0, color="black", linewidth=1)
    axes.plot(epochs, [POINTS * g.mean for g in known], color=DARK, linewidth=1.5, zorder=2)
    for one, found in zip(mine, known, strict=True):
        each = [POINTS * value for value in found.values.values()]
        if len(each) > 1:
            beside = [one.epochs * 0.93] * len(each)
            axes.scatter(beside, each, s=12, color=EACH, zorder=1, linewidths=0)
            axes.plot([one.epochs] * 2, _points(one), color=DARK, linewidth=2, zorder=3)
        axes.scatter(one.epochs, POINTS * found.mean, s=55, zorder=4, edgecolors=DARK,
                     linewidths=1.6, color=WITH if found.excludes_zero else "white")  # fmt: skip
        axes.annotate(said(found), (one.epochs, _points(one)[1]), xytext=(0, 8), ha="center",
                      textcoords="offset points", fontsize=9)  # fmt: skip
    by_epochs(axes, epochs)
    axes.set_xlim(epochs[0] / 1.5, epochs[-1] * 1.5)
