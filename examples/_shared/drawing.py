"""How the notebooks draw: rows of pictures, with numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib_inline.backend_inline import set_matplotlib_formats
from torch import Tensor

from augself_loss import Layout, Record, plots

COLOURS = {"crop": "#19c37d", "color": "#ff8c1a", "flip": "#3b82f6"}
"""One per type of augmentation."""
PARAMETERS = {
    **dict.fromkeys(("y", "x", "height", "width"), COLOURS["crop"]),
    **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), COLOURS["color"]),
}
"""What is predicted of crops and of colours → colour."""
GREY = plots.PLAIN
SMOOTHED = 16
"""So many steps are averaged in a curve."""


def set_up() -> None:
    """Let a notebook's figures be small files: JPEG, since most of them hold photographs."""
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 80})
    plt.rcParams.update({"figure.dpi": 84, "font.size": 11})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def grid(
    rows: Sequence[Sequence[Tensor]],
    titles: Sequence[str] = (),
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    *,
    side: float = 1.5,
    beside: float = 0.0,
) -> Any:
    """Draw rows of pictures.

    Args:
        rows: of images ``(3, H, W)``, uint8 or float in [0, 1]; all of one length.
        titles: of the columns.
        labels: of the rows, to their left.
        captions: below each picture, row by row.
        side: of a picture, in inches.
        beside: width of an empty column to the right, in pictures.

    Returns:
        The axes, an array ``(rows, columns)``, the empty column last.
    """
    widths = [1.0] * len(rows[0]) + [beside] * (beside > 0)
    size = side * sum(widths), side * len(rows)
    figure, axes = plt.subplots(
        len(rows),
        len(widths),
        figsize=size,
        squeeze=False,
        layout="constrained",
        width_ratios=widths,
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for line, images in zip(axes, rows, strict=True):
        line[-1].set_axis_off()
        for place, image in zip(line, images, strict=False):
            plots.show_image(place, image)
            place.set_axis_on()
            place.spines[:].set_visible(False)
    for place, title in zip(axes[0], titles, strict=False):
        place.set_title(title, fontsize=11)
    for place, label in zip(axes[:, 0], labels, strict=False):
        place.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    for line, texts in zip(axes, captions, strict=False):
        for place, text in zip(line, texts, strict=False):
            place.set_xlabel(text, fontsize=9, labelpad=2)
    return axes


def boxes(axes: Sequence[Any], crops: Tensor, colour: str = plots.TRUE, **style: Any) -> None:
    """Draw a box on each picture: ``crops`` is (N, 4), as fractions of the picture."""
    for place, crop in zip(axes, crops, strict=True):
        height, width = place.images[0].get_array().shape[:2]
        plots.draw_box(place, crop, (height, width), colour, **style)


def says(axes: Sequence[Any], record: Record, layout: Layout, entries: Sequence[str]) -> None:
    """Write into empty places what each row of a record says."""
    for row, place in enumerate(axes):
        for number, name in enumerate(entries):
            named = zip(layout[name].columns, record[name][row].tolist(), strict=True)
            text = "   ".join(f"{column} {value:.2f}" for column, value in named)
            height = (len(entries) - number) / (len(entries) + 1)
            place.text(0.02, height, name, weight="bold", va="center", fontsize=10)
            place.text(0.2, height, text, va="center", fontsize=10)


def bars(axes: Sequence[Any], values: Tensor, names: Mapping[str, str]) -> None:
    """Draw into empty places bars of numbers in [−1, 1]: ``values`` (N, names), name → colour."""
    for place, row in zip(axes, values.tolist(), strict=True):
        inner = place.inset_axes([0.42, 0.1, 0.55, 0.88])
        inner.barh(range(len(names)), row, color=list(names.values()))
        inner.axvline(0, color="black", linewidth=0.8)
        inner.set(xlim=(-1, 1), xticks=[-1, 0, 1], ylim=(len(names) - 0.4, -0.6))
        inner.set_yticks(range(len(names)), list(names))
        inner.tick_params(labelsize=8, length=2)


def curves(
    steps: Sequence[Mapping[str, float]],
    lines: Mapping[str, float] | None = None,
    label: str = "",
    title: str = "{}",
) -> None:
    """Draw a panel for each value that steps have, smoothed.

    Args:
        steps: name → value, of each step.
        lines: name → a level to compare with.
        label: what the level is.
        title: of a panel, ``{}`` standing for its name.
    """
    _, axes = plt.subplots(1, len(steps[0]), figsize=(9, 2.6), layout="constrained")
    for place, name in zip(axes, steps[0], strict=True):
        values = torch.tensor([step[name] for step in steps])
        smooth = values.unfold(0, SMOOTHED, 1).mean(1)
        place.plot(values, color=GREY, alpha=0.5, linewidth=0.8)
        middle = torch.arange(len(smooth)) + SMOOTHED // 2
        place.plot(middle, smooth, color=COLOURS.get(name, "black"), linewidth=2)
        if lines and name in lines:
            place.axhline(lines[name], color="black", linestyle="--", label=label)
            place.legend(loc="lower right", frameon=False, fontsize=10)
            place.set_ylim(0, max(1.4 * lines[name], float(smooth[SMOOTHED:].max()) * 1.2))
        place.set(title=title.format(name), xlabel="step")


def grouped_bars(groups: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Draw bars by type of augmentation, side by side in each group."""
    _, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
    for i, bars_of in enumerate(groups.values()):
        for j, (name, height) in enumerate(bars_of.items()):
            x = i + (j - (len(bars_of) - 1) / 2) * 0.27
            axes.bar(x, height, 0.24, color=COLOURS[name], label=None if i else name)
            axes.text(x, height, f"{height:.2f}", ha="center", va="bottom", fontsize=10)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_ylabel(label)
    axes.legend(frameon=False)


def scatter(true: Tensor, predicted: Tensor, name: str) -> None:
    """Draw predictions against the truth, both in [−1, 1]."""
    _, axes = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
    axes.plot([-1, 1], [-1, 1], color="black", linestyle="--", linewidth=1)
    axes.scatter(true, predicted, s=9, color=COLOURS["color"], alpha=0.6)
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", xlim=(-1, 1), ylim=(-1, 1))
    axes.set_aspect("equal")


def predictions(
    pictures: Tensor,
    views: Sequence[Tensor],
    records: Sequence[Record],
    guess: Tensor,
    *,
    first: int,
) -> None:
    """Draw the first pictures with the boxes of two views and the predicted one, and the views."""
    rows = [list(each[:first]) for each in (pictures, *views)]
    axes = grid(rows, labels=["picture", "view 1", "view 2"], side=1.6)
    boxes(axes[0], records[0]["crop"][:first], plots.FIRST)
    boxes(axes[0], records[1]["crop"][:first], plots.TRUE)
    boxes(axes[0], guess[:first], plots.PREDICTED, linestyle="--")
    place = {"loc": "outside lower center", "ncols": 3, "frameon": False}
    axes[0, 0].figure.legend(handles=plots.box_legend(), **place)


def scores(plain: Mapping[str, float], augself: Mapping[str, float], label: str) -> None:
    """Draw what the features of two runs know, as horizontal bars."""
    _, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    plots.draw_scores(axes, plain, augself)
    axes.set_xlabel(label)
    axes.legend(handles=plots.run_legend(), frameon=False, loc="lower right")
