"""What the report's pictures share: colours, a grid of panels, bare axes, the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, NullLocator

plt.switch_backend("Agg")

DARK, QUIET, EACH = "#0b6b41", "#5b6673", "#b9ccc3"
"""Colours of a mean and its interval, of secondary words, of single values."""
POINTS = 100.0
"""Scores are fractions; gains are shown in points."""


def small_multiples(
    count: int, columns: int, height: float, width: float = 4.4
) -> tuple[Any, list[Any]]:
    """Make a figure of so many panels; what is left of the last row stays empty."""
    rows = -(-count // columns)
    size = (max(width * columns, 7.0), height * rows + 1.1)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    found = list(grid.flat)
    for axes in found[count:]:
        axes.set_axis_off()
    return figure, found


def bare(axes: Any, sides: Sequence[str]) -> None:
    """Take sides of the frame away."""
    for side in sides:
        axes.spines[side].set_visible(False)
    if "left" in sides:
        axes.tick_params(axis="y", length=0)


def by_epochs(axes: Any, epochs: Sequence[int]) -> None:
    """Give a panel an axis of epochs, by their logarithm."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(epochs)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(epoch) for epoch in epochs])
    axes.set_xlabel("epochs", color=QUIET)
    axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
    bare(axes, ("top", "right"))


def save(figure: Any, out: Path) -> None:
    """Write a picture."""
    figure.savefig(out, dpi=130, facecolor="white")
    plt.close(figure)
