"""Pictures of views, records and predictions. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from augself_loss.encoders import CropEncoder
from augself_loss.errors import missing_extra
from augself_loss.parameters import Record

if TYPE_CHECKING:  # which needs scikit-learn
    from augself_loss.diagnostics import Readout

try:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle
    from matplotlib.patheffects import Normal, Stroke
except ImportError as error:
    raise missing_extra(__name__, "matplotlib", "plots") from error

FIRST, TRUE, PREDICTED = "#ffffff", "#19c37d", "#ff8c1a"
"""Colours of the first view's box, the second view's true box, and the predicted one."""
PLAIN, WITH = "#9aa5b1", "#19c37d"
"""Colours of the plain run and of the run with AugSelf."""


def show_image(axes: Any, image: Tensor) -> None:
    """Draw an image ``(3, H, W)``, uint8 or float in [0, 1], without ticks."""
    pixels = image.permute(1, 2, 0).cpu()
    axes.imshow(
        (pixels.float().clamp(0, 1) if pixels.is_floating_point() else pixels).numpy(),
        interpolation="bilinear",
    )
    axes.set_xticks([])
    axes.set_yticks([])


def draw_box(axes: Any, box: Tensor, size: tuple[int, int], colour: str, **style: Any) -> None:
    """Draw a crop box over an image.

    Args:
        axes: matplotlib axes that show the image.
        box: ``(4,)`` top, left, height, width as fractions of the image.
        size: the image's height and width in pixels.
        colour: the line's colour.
        **style: matplotlib's options of a Rectangle.
    """
    top, left, height, width = (float(side) for side in box)
    rectangle = Rectangle(
        (left * size[1], top * size[0]),
        width * size[1],
        height * size[0],
        fill=False,
        edgecolor=colour,
        **{"linewidth": 2.0, **style},
    )
    rectangle.set_path_effects(_outlined())
    axes.add_patch(rectangle)


def draw_pair(
    axes: Sequence[Any],
    image: Tensor,
    views: Sequence[Tensor],
    record1: Record,
    record2: Record,
    predicted: Tensor,
    encoder: CropEncoder | None = None,
) -> None:
    """Draw one image with its two views' boxes, the predicted box, and the two views.

    Args:
        axes: three matplotlib axes.
        image: the source image ``(3, H, W)``.
        views: the two views ``(3, h, w)``.
        record1: record of the first view, entries ``(1, columns)``.
        record2: record of the second view.
        predicted: the predicted crop difference 1→2, ``(1, 4)``.
        encoder: the loss's, whose units ``predicted`` is in; by default one of crops that do not
            reach beyond the image.
    """
    height, width = image.shape[-2:]
    show_image(axes[0], image)
    draw_box(axes[0], record1["crop"][0], (height, width), FIRST)
    draw_box(axes[0], record2["crop"][0], (height, width), TRUE)
    guess = (encoder or CropEncoder(reach=0)).second_box(record1, predicted)[0]
    draw_box(axes[0], guess, (height, width), PREDICTED, linestyle="--")
    for place, view, colour in zip(axes[1:], views, (FIRST, TRUE), strict=True):
        show_image(place, view)
        for spine in place.spines.values():
            spine.set(edgecolor="#444444" if colour == FIRST else colour, linewidth=3)


def draw_scores(
    axes: Any,
    plain: Mapping[str, float],
    augself: Mapping[str, float],
    *,
    intervals: Sequence[Mapping[str, tuple[float, float]]] = ({}, {}),
    chance: Mapping[str, float] | None = None,
) -> None:
    """Draw the scores of two runs side by side, as horizontal bars.

    Args:
        axes: matplotlib axes.
        plain: label → score of the plain run.
        augself: label → score of the run with AugSelf.
        intervals: of the plain run and of the one with AugSelf, label → bounds, drawn as whiskers.
        chance: label → score by chance, drawn as a tick.
    """
    labels = list(plain)
    for i, label in enumerate(labels):
        tick = (chance or {}).get(label, 0.0)
        if tick > 0:
            axes.plot([tick] * 2, [i - 0.42, i + 0.42], color="black", linestyle=":", zorder=3)
        runs = zip((-0.2, 0.2), (plain, augself), (PLAIN, WITH), intervals, strict=True)
        for offset, measured, colour, known in runs:
            place, score = i + offset, max(measured[label], 0.0)
            low, high = known.get(label, (score, score))
            axes.barh(place, score, height=0.38, color=colour)
            axes.plot([low, high], [place, place], color="#333333", linewidth=1.2)
            beside = 0.01 + (max(high, tick) if tick - high < 0.1 else high)
            axes.text(beside, place, f"{measured[label]:.2f}", va="center", fontsize=9)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def box_legend() -> list[Any]:
    """Make the legend of :func:`draw_pair`'s boxes."""
    lines = [
        Line2D([], [], color=FIRST, linewidth=2, label="view 1"),
        Line2D([], [], color=TRUE, linewidth=2, label="view 2, true"),
        Line2D([], [], color=PREDICTED, linewidth=2, linestyle="--", label="view 2, predicted"),
    ]
    for line in lines:
        line.set_path_effects(_outlined())
    return lines


def run_legend(*, intervals: bool = False) -> list[Any]:
    """Make the legend of :func:`draw_scores`'s bars.

    Args:
        intervals: whether intervals and chance are drawn too.
    """
    bars = [Patch(color=PLAIN, label="without AugSelf"), Patch(color=WITH, label="with AugSelf")]
    more = [
        Line2D([], [], color="#333333", linewidth=1.2, label="95 % interval"),
        Line2D([], [], color="black", linestyle=":", label="by chance"),
    ]
    return [*bars, *(more if intervals else [])]


def scores(read: Mapping[str, Readout]) -> dict[str, float]:
    """List readouts by a label that names their metric."""
    names = {"R2": "R²", "accuracy": "accuracy"}
    return {f"{name} ({names[r.metric]})": r.value for name, r in read.items()}


def _outlined() -> list[Any]:
    """Outline a line so that it is seen on light and dark pictures."""
    return [Stroke(linewidth=4.0, foreground="#00000090"), Normal()]
