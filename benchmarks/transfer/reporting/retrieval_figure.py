"""Nearest neighbours as pictures: what the features of both arms find alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

from augself_loss.plots import PREDICTED, WITH, show_image
from transfer.data.sets import Task
from transfer.reporting.collect import Collection, Run, RunsError
from transfer.reporting.scores import by_kind, methods, named

plt.switch_backend("Agg")

T = TypeVar("T")
NEIGHBOURS, QUERIES, TASKS = 5, 2, 4
"""Neighbours of a query, queries of a task, tasks in the picture."""


@dataclass(frozen=True)
class Query:
    """One row of the picture.

    Args:
        task: the set that is searched.
        row: the query.
        plain: rows that the base method finds, nearest first.
        augself: rows that it finds with AugSelf.
    """

    task: Task
    row: int
    plain: tuple[int, ...]
    augself: tuple[int, ...]


def pair(collection: Collection) -> tuple[Run, Run] | None:
    """Choose the runs to show: the first method's first seed that has neighbours in both arms."""
    for method in methods(collection.main()):
        augself = {run.seed: run for run in collection.select(method, "augself")}
        for plain in collection.select(method, "plain"):
            if plain.seed in augself and _shared(plain, augself[plain.seed]):
                return plain, augself[plain.seed]
    return None


def queries(plain: Run, augself: Run, tasks: Mapping[str, Task]) -> list[Query]:
    """Choose queries evenly among those that both runs stored: none is picked for its result.

    Args:
        plain: a run of the base method.
        augself: the one with AugSelf, same seed.
        tasks: name → pictures and labels; tasks that are not in it are left out.

    Raises:
        RunsError: the neighbours are rows of other pictures.
    """
    chosen = []
    shared = {name: rows for name, rows in _shared(plain, augself).items() if name in tasks}
    taken = _of_many_kinds(list(shared), tasks)[:TASKS]
    for name in filter(taken.__contains__, shared):
        for row in _spread(shared[name], QUERIES):
            found = [_neighbours(run)[name][str(row)][:NEIGHBOURS] for run in (plain, augself)]
            _check(tasks[name], [row, *found[0], *found[1]], plain)
            chosen.append(Query(tasks[name], row, tuple(found[0]), tuple(found[1])))
    return chosen


def _of_many_kinds(names: Sequence[str], tasks: Mapping[str, Task]) -> list[str]:
    """Order tasks so that the first ones live on different things."""
    kinds = [tasks[name].lives_on for name in names]
    earlier = {name: kinds[:place].count(kinds[place]) for place, name in enumerate(names)}
    return sorted(names, key=lambda name: earlier[name])


def _check(task: Task, rows: Sequence[int], run: Run) -> None:
    if max(rows) >= len(task.labels):
        raise RunsError(
            f"Expected neighbours among the {len(task.labels)} pictures of '{task.name}', found "
            f"row {max(rows)} in {run.name} or its partner; they were evaluated on other pictures: "
            "give the same data, or report without pictures."
        )


def credits_of(rows: Sequence[Query]) -> str:
    """Say whose pictures are shown, where the tasks know."""
    known = dict.fromkeys(query.task.credit for query in rows if query.task.credit)
    return f" Pictures: {'; '.join(known)}." if known else ""


def draw_retrieval(collection: Collection, tasks: Mapping[str, Task], out: Path) -> str | None:
    """Draw queries with their nearest neighbours in both arms.

    Args:
        collection: all runs.
        tasks: name → pictures and labels.
        out: the PNG to write.

    Returns:
        What the picture shows, in a sentence; ``None`` if there are no neighbours to show.
    """
    runs = pair(collection)
    rows = queries(*runs, tasks) if runs else []
    if runs is None or not rows:
        return None
    name = named(runs[0].method)
    columns = 2 * NEIGHBOURS + 3  # query, gap, neighbours, gap, neighbours
    widths = [1.0, 0.25, *[1.0] * NEIGHBOURS, 0.25, *[1.0] * NEIGHBOURS]
    figure, grid = plt.subplots(
        len(rows), columns, figsize=(13, 1.08 * len(rows) + 1.0), squeeze=False,
        gridspec_kw={"width_ratios": widths, "wspace": 0.08, "hspace": 0.08},
    )  # fmt: skip
    for axes, query in zip(grid, rows, strict=True):
        _draw_row(axes, query)
    edge = 0.45 / (1.08 * len(rows) + 1.0)
    figure.subplots_adjust(left=0.13, right=0.99, top=1 - 1.35 * edge, bottom=edge)
    middle = NEIGHBOURS // 2
    titles = {0: "query", middle + 2: f"nearest by {name}",
              NEIGHBOURS + middle + 3: f"nearest by {name} + AugSelf"}  # fmt: skip
    for place, text in titles.items():
        grid[0][place].set_title(text, fontsize=13, weight="bold", pad=8)
    figure.legend(handles=_legend(), loc="lower center", ncols=2, frameon=False)
    figure.savefig(out, dpi=110, facecolor="white")
    plt.close(figure)
    return (
        f"{name}, seed {runs[0].seed}. The queries stand evenly among those stored; "
        f"none was picked for its result.{credits_of(rows)}"
    )


def _draw_row(axes: Sequence[Any], query: Query) -> None:
    for place in axes:
        place.set_axis_off()
    _draw_picture(axes[0], query.task, query.row, "#444444", "-")
    label = f"{query.task.name}\n({query.task.lives_on})"
    axes[0].text(
        -0.12, 0.5, label, ha="right", va="center", transform=axes[0].transAxes, fontsize=11
    )
    for start, found in ((2, query.plain), (NEIGHBOURS + 3, query.augself)):
        for place, row in enumerate(found):
            right = query.task.labels[row] == query.task.labels[query.row]
            style = (WITH, "-") if right else (PREDICTED, (0, (2, 1)))
            _draw_picture(axes[start + place], query.task, row, *style)


def _draw_picture(axes: Any, task: Task, row: int, colour: str, line: Any) -> None:
    axes.set_axis_on()
    show_image(axes, task.pictures[row])
    for spine in axes.spines.values():
        spine.set(edgecolor=colour, linewidth=3, linestyle=line, capstyle="butt")


def _legend() -> list[Any]:
    return [
        Line2D([], [], color=WITH, linewidth=3, label="same class as the query"),
        Line2D([], [], color=PREDICTED, linewidth=3, linestyle=(0, (2, 1)), label="another class"),
    ]


def _neighbours(run: Run) -> dict[str, Mapping[str, Sequence[int]]]:
    tasks = by_kind(run, run.metrics.get("retrieval") or {})
    return {name: measured.get("neighbours") or {} for name, measured in tasks.items()}


def _shared(plain: Run, augself: Run) -> dict[str, list[int]]:
    """List the queries of every task whose neighbours both runs stored."""
    ours = _neighbours(augself)
    found = {
        name: sorted(int(row) for row in stored if row in ours.get(name, {}))
        for name, stored in _neighbours(plain).items()
    }
    return {name: rows for name, rows in found.items() if rows}


def _spread(values: Sequence[T], count: int) -> list[T]:
    """Take so many values, evenly."""
    if len(values) <= count:
        return list(values)
    return [values[(2 * place + 1) * len(values) // (2 * count)] for place in range(count)]
