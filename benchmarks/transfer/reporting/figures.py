"""The report's pictures: gains, scores task by task, parameters read, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

from augself_loss.plots import PLAIN, WITH, run_legend
from transfer.reporting.ablations import Ablation
from transfer.reporting.comparing import MEAN, Grid
from transfer.reporting.intervals import Estimate
from transfer.reporting.panels import DARK, EACH, POINTS, QUIET, bare, save, small_multiples
from transfer.reporting.scores import Item, Unit, named
from transfer.reporting.tables import signed


def draw_gains(grid: Grid, out: Path) -> bool:
    """Draw the mean gain of every method beside the gain on every task.

    Args:
        grid: comparison of the linear evaluation.
        out: the PNG to write.

    Returns:
        Whether there is a gain to draw.
    """
    item = MEAN if MEAN in grid.items else next(iter(grid.items), None)
    tasks = _by_kind([i for i in grid.items if i != MEAN and grid.pooled(i) is not None])
    if item is None or not grid.gains(item) or not tasks:
        return False
    gains = {named(method): gain for method, gain in grid.gains(item).items()}
    pooled = grid.pooled(item)
    if len(gains) > 1 and pooled is not None:
        gains["all methods"] = pooled
    rows = max(len(gains), len(tasks))
    figure, axes = plt.subplots(1, 2, figsize=(12, 1.5 + 0.5 * rows), layout="constrained",
                                width_ratios=(1, 1.15))  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.15)
    _draw_points(axes[0], gains, "method by method, mean over the tasks")
    by_task = {i.header.replace("\n", " "): g for i in tasks if (g := grid.pooled(i)) is not None}
    which = "all methods" if len(grid.gains(item)) > 1 else f"with {next(iter(gains))}"
    _draw_points(axes[1], by_task, f"task by task (what it lives on), {which}")
    for panel in axes:  # rows of both stand at one height
        panel.set_ylim(rows - 0.5, -0.5)
    figure.suptitle("What AugSelf adds to linear accuracy", fontsize=14, weight="bold")
    figure.legend(handles=_point_legend(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, out)
    return True


def draw_tasks(grid: Grid, out: Path) -> bool:
    """Draw the accuracy of both arms, a panel a method, a pair of bars a task."""
    tasks = [item for item in grid.items if item != MEAN]
    if not tasks:
        return False
    figure, panels = small_multiples(
        len(grid.rows), min(3, len(grid.rows)), 1.0 + 0.42 * len(tasks)
    )
    for axes, (method, row) in zip(panels, grid.rows.items(), strict=False):
        labels = [item.key for item in tasks]
        arms = [[(row[i].plain, row[i].augself)[arm] for i in tasks] for arm in (0, 1)]
        _draw_bars(axes, labels, arms, POINTS, 1)
        axes.set_title(named(method), fontsize=12, loc="left")
        axes.set_xlim(0, 112)
    figure.suptitle(
        "Linear accuracy, %: mean over seeds, and every seed", fontsize=14, weight="bold"
    )
    figure.legend(handles=run_legend(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, out)
    return True


def draw_readability(grid: Grid, chance: Mapping[Item, float], out: Path) -> bool:
    """Draw how well parameters are read, a panel a type, a pair of bars a method.

    Args:
        grid: comparison of the readability.
        chance: what is read by one who knows nothing.
        out: the PNG to write.

    Returns:
        Whether there is anything to draw.
    """
    if not grid.items:
        return False
    height = 1.0 + 0.42 * len(grid.rows)
    figure, panels = small_multiples(len(grid.items), min(3, len(grid.items)), height)
    for axes, item in zip(panels, grid.items, strict=False):
        labels = [named(method) for method in grid.rows]
        arms = [
            [(r[item].plain, r[item].augself)[arm] for r in grid.rows.values()] for arm in (0, 1)
        ]
        _draw_bars(axes, labels, arms, item.unit.scale, item.unit.decimals)
        axes.set_title(item.header.replace("\n", " "), fontsize=12, loc="left")
        axes.set_xlim(0, 1.25 * _longest(grid, item.unit))
        if chance.get(item, 0) > 0:
            at = chance[item] * item.unit.scale
            axes.axvline(at, color="black", linewidth=1, linestyle=":")
    title = "Augmentation parameters read from pairs of frozen features (dotted: by chance)"
    figure.suptitle(title, fontsize=14, weight="bold")
    figure.legend(handles=run_legend(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, out)
    return True


def draw_ablations(found: Sequence[Ablation], item: Item, out: Path) -> bool:
    """Draw the mean gain of every variant, a panel a method."""
    shown = [a for a in found if a.row[item].gain is not None]
    methods = list(dict.fromkeys(a.method for a in shown))
    if not methods:
        return False
    rows = max(sum(a.method == method for a in shown) for method in methods)
    figure, panels = small_multiples(
        len(methods), min(2, len(methods)), 0.8 + 0.4 * rows, width=6.0
    )
    for axes, method in zip(panels, methods, strict=False):
        gains = {a.label: g for a in shown if a.method == method and (g := a.row[item].gain)}
        _draw_points(axes, gains, named(method))
        axes.set_ylim(rows - 0.5, -0.5)
    _share(panels[: len(methods)])
    figure.suptitle("Gain of each variant, mean over the tasks", fontsize=14, weight="bold")
    figure.legend(handles=_point_legend(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, out)
    return True


def draw_objectives(gains: Mapping[str, Mapping[str, Estimate]], out: Path) -> bool:
    """Draw the mean gain of every objective, a panel a method."""
    if not gains:
        return False
    rows = max(len(arms) for arms in gains.values())
    figure, panels = small_multiples(len(gains), min(3, len(gains)), 1.0 + 0.42 * rows, width=5.2)
    for axes, (method, arms) in zip(panels, gains.items(), strict=False):
        _draw_points(axes, arms, method)
        axes.set_ylim(rows - 0.5, -0.5)
    _share(panels[: len(gains)])
    title = "Gain of each objective in linear accuracy, mean over the tasks"
    figure.suptitle(title, fontsize=14, weight="bold")
    figure.legend(handles=_point_legend(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, out)
    return True


def _by_kind(tasks: Sequence[Item]) -> list[Item]:
    """Let tasks that live on the same stand together, in the order of their first."""
    kinds = list(dict.fromkeys(item.about for item in tasks))
    return sorted(tasks, key=lambda item: kinds.index(item.about))


def _draw_points(axes: Any, gains: Mapping[str, Estimate], title: str) -> None:
    """Draw gains in points with their intervals: full where the interval excludes 0."""
    for place, gain in enumerate(gains.values()):
        each = [value * POINTS for value in gain.values.values()]
        if len(each) > 1:  # below the mean, which would hide them
            axes.scatter(each, [place + 0.24] * len(each), s=14, color=EACH, zorder=2, linewidths=0)
        if gain.interval is not None:
            ends = [(gain.mean + sign * gain.interval) * POINTS for sign in (-1, 1)]
            axes.plot(ends, [place, place], color=DARK, linewidth=2, zorder=3)
        axes.scatter(gain.mean * POINTS, place, s=60, zorder=4, edgecolors=DARK, linewidths=1.6,
                     color=WITH if gain.excludes_zero else "white")  # fmt: skip
        axes.text(1.02, place, signed(gain), transform=axes.get_yaxis_transform(), va="center",
                  fontsize=9, weight="bold" if gain.excludes_zero else "normal")  # fmt: skip
    axes.axvline(0, color="black", linewidth=1, zorder=1)
    axes.set_yticks(range(len(gains)), list(gains))
    axes.set_ylim(len(gains) - 0.5, -0.5)
    axes.set_xlabel("gain, points", color=QUIET)
    axes.set_title(title, fontsize=12, loc="left")
    axes.grid(axis="x", color="#e6e9ec", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    bare(axes, ("top", "right", "left"))


def _draw_bars(
    axes: Any,
    labels: Sequence[str],
    arms: Sequence[Sequence[Estimate | None]],
    scale: float,
    decimals: int,
) -> None:
    """Draw two bars a label, with a dot for every seed; what was not measured stays empty."""
    for arm, (found, colour, edge) in enumerate(
        zip(arms, (PLAIN, WITH), (QUIET, DARK), strict=True)
    ):
        for row, estimate in enumerate(found):
            if estimate is None:
                continue
            place, length = row + (arm - 0.5) * 0.4, max(estimate.mean * scale, 0.0)
            axes.barh(place, length, height=0.38, color=colour)
            each = [value * scale for value in estimate.values.values()]
            axes.scatter(each, [place] * len(each), s=7, color=edge, zorder=3, linewidths=0)
            end = max([length, *each])
            text = f"{estimate.mean * scale:.{decimals}f}"
            axes.text(end + 0.015 * scale, place, text, va="center", fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    bare(axes, ("top", "right"))


def _longest(grid: Grid, unit: Unit) -> float:
    """Find the longest bar of a unit, so that its panels have one axis."""
    found = [c for row in grid.rows.values() for item, c in row.items() if item.unit == unit]
    arms = [arm for comparison in found for arm in comparison[:2] if arm is not None]
    values = [value for arm in arms for value in arm.values.values()]
    return unit.scale * max([0.1, *values])


def _point_legend() -> list[Any]:
    style: dict[str, Any] = {
        "color": DARK,
        "marker": "o",
        "markersize": 8,
        "linewidth": 2,
        "markeredgewidth": 1.6,
    }
    return [
        Line2D([], [], markerfacecolor=WITH, label="95 % interval excludes 0", **style),
        Line2D([], [], markerfacecolor="white", label="interval contains 0, or one seed", **style),
        Line2D(
            [], [], color=EACH, marker="o", markersize=4, linewidth=0, label="single pairs of runs"
        ),
    ]


def _share(panels: Sequence[Any]) -> None:
    """Give panels that are compared one axis of gains."""
    limits = [axes.get_xlim() for axes in panels]
    for axes in panels:
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
