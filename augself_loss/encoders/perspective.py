"""Perspective maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Motion, Step, Value
from augself_loss.encoders.maps import Canvas, as_matrix, inverse, product
from augself_loss.encoders.regression import RegressionEncoder, as_range
from augself_loss.errors import PipelineError

CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")


class PerspectiveEncoder(RegressionEncoder):
    """Perspective map: how far each corner of the image moves, 0 where not applied.

    Columns: x and y of the top-left, top-right, bottom-right and bottom-left corner, as fractions
    of the image's width and height, to the right and down.

    Args:
        distortion: largest move as a fraction of half the side (both hosts' ``distortion_scale``).

    Raises:
        EncoderError: no distortion at all.
    """

    name = "perspective"
    columns = tuple(f"{corner}_{axis}" for corner in CORNERS for axis in "xy")
    identity = (0.0,) * 8
    moves: Motion | None = "warp"
    by_size = True
    not_before = ("crop", "turn")
    order_matters = {"torchvision": ("flip", "vertical_flip")}  # see _first_corner

    def __init__(self, distortion: float = 0.5) -> None:
        reach = as_range(distortion, 0.0, "distortion") or (0.0, 0.0)
        super().__init__(*((reach[0] / 2, reach[1] / 2) for _ in self.columns))

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:
        """A later flip swaps the corners of each side and turns the moves along its axis."""
        xs, ys = columns[0::2], columns[1::2]
        for gate, partner, is_x in (
            (horizontal, (1, 0, 3, 2), True),
            (vertical, (3, 2, 1, 0), False),
        ):
            sign_x, sign_y = (-1, 1) if is_x else (1, -1)
            xs, ys = (
                tuple(gate * sign * old[partner[i]] + (1 - gate) * old[i] for i in range(4))
                for sign, old in ((sign_x, xs), (sign_y, ys))
            )
        return tuple(value for pair in zip(xs, ys, strict=True) for value in pair)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:
        """Take the moved corners back to where they were."""
        low_x, low_y = _first_corner(record, canvas)
        height, width = canvas.after
        # From the first corner to the last it is one pixel less than the side.
        far_x, far_y = low_x + 2 * (1 - 1 / width), low_y + 2 * (1 - 1 / height)
        moves, starts = record[self.name].unbind(-1), (
            low_x, low_y, far_x, low_y, far_x, far_y, low_x, far_y
        )  # fmt: skip
        ends = [2 * move + start for move, start in zip(moves, starts, strict=True)]
        xs, ys = ends[0::2], ends[1::2]
        still = xs[0] * 0
        start = as_matrix(far_x - low_x + still, 0.0, low_x, 0.0, far_y - low_y + still, low_y)
        return product(start, inverse(_from_square(xs, ys)))

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's distortion scale."""
        return cls(distortion=float(step.config["distortion_scale"]))

    from_torchvision = from_kornia

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        height, width = step.size
        moves = step.params["end_points"] - step.params["start_points"]
        return {
            "perspective": tuple(
                moves[:, i, axis] / (width, height)[axis] for i in range(4) for axis in (0, 1)
            )
        }

    @staticmethod
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        height, width = step.size
        starts = ((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1))
        # v1 reports where the corners go, v2 only the map's coefficients; the recorder adds them.
        ends = step.params.get("endpoints") or [
            _unmapped(step.params["coefficients"], start) for start in starts
        ]
        return {
            "perspective": tuple(
                (end[axis] - start[axis]) / (width, height)[axis]
                for start, end in zip(starts, ends, strict=True)
                for axis in (0, 1)
            )
        }

    kornia = {"RandomPerspective": _read_kornia}
    torchvision = {"RandomPerspective": _read_torchvision}


def _first_corner(record: Mapping[str, Tensor], canvas: Canvas) -> tuple[Value, Value]:
    """Find where the corner at pixel (0, 0) lies, in −1 … 1: x, y."""
    height, width = canvas.after
    if canvas.library != "torchvision":
        return 1 / width - 1, 1 / height - 1
    # torchvision takes a corner's number for an edge: 0 is the image's, the last is a pixel short
    # of it, and a flip that comes later puts that pixel to the other side.
    return (
        -1 + 2 * _mirrored_later(record, canvas, "flip") / width,
        -1 + 2 * _mirrored_later(record, canvas, "vertical_flip") / height,
    )


def _mirrored_later(record: Mapping[str, Tensor], canvas: Canvas, name: str) -> Value:
    there = name in record and name not in canvas.earlier
    return record[name].squeeze(-1) if there else 0.0


def _from_square(xs: Sequence[Value], ys: Sequence[Value]) -> Tensor:
    """Map the unit square to four corners, in the order of :data:`CORNERS`.

    Reference:
        Heckbert, *Fundamentals of Texture Mapping and Image Warping*, 1989, section 2.2.3.
    """
    (x0, x1, x2, x3), (y0, y1, y2, y3) = xs, ys
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    right_x, right_y, below_x, below_y = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    area = right_x * below_y - below_x * right_y
    g = (sum_x * below_y - below_x * sum_y) / area
    h = (right_x * sum_y - sum_x * right_y) / area
    return as_matrix(
        x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h, 1.0
    )


def _unmapped(coefficients: Sequence[float], start: tuple[int, int]) -> tuple[int, int]:
    """Find the whole pixel (x, y) that torchvision's perspective coefficients map to ``start``."""
    a, b, c, d, e, f, g, h = coefficients
    x, y = start
    # x = (a u + b v + c) / (g u + h v + 1), likewise y: two linear equations in (u, v).
    a, b, d, e = a - x * g, b - x * h, d - y * g, e - y * h
    determinant = a * e - b * d or float("nan")
    u = ((x - c) * e - b * (y - f)) / determinant
    v = (a * (y - f) - (x - c) * d) / determinant
    found = [round(u), round(v)] if math.isfinite(u) and math.isfinite(v) else [0, 0]
    a, b, c, d, e, f, g, h = coefficients
    scale = g * found[0] + h * found[1] + 1 or float("nan")
    back = (
        (a * found[0] + b * found[1] + c) / scale - x, (d * found[0] + e * found[1] + f) / scale - y
    )  # fmt: skip
    if not max(map(abs, back)) < 0.5:
        raise PipelineError(
            "'RandomPerspective' expected four corners that span an area, found some on one line. "
            "Use a smaller distortion_scale, or larger images."
        )
    return found[0], found[1]
