"""Boxes: as fractions of their image, their centres, and what differences are divided by."""

from __future__ import annotations

import torch
from torch import Tensor

from augself_loss.encoders.in_place import Image, Row
from augself_loss.encoders.step import Columns, Value

ROUNDING = 5e-7
"""By this much float32 may put a box beyond an image that it ends with."""
SMALLEST = 1e-5
"""No box is a smaller part of what it spans with another and the image."""


def fractions(box: Columns, size: tuple[Value, Value]) -> Columns:
    """Divide a box (top, left, height, width) in pixels by its image's height and width."""
    top, left, height, width = box
    return top / size[0], left / size[1], height / size[0], width / size[1]


def put_box(row: Row, at: int, box: Columns, image: Image) -> None:
    """Write a box in pixels into a row, as fractions of its image."""
    (row[at], row[at + 1], row[at + 2], row[at + 3]) = fractions(box, image.size)


def centred(boxes: Tensor) -> Tensor:
    """Take boxes, or differences of boxes, from their corner (y, x) to their centre."""
    corner, size = torch.split(boxes, 2, dim=-1)
    return torch.cat([torch.add(corner, size, alpha=0.5), size], dim=-1)


def spanned(box_a: Tensor, box_b: Tensor) -> Tensor:
    """Measure what two boxes and the image span together along y and x, twice, ``(B, 4)``."""
    corner_a, size_a = torch.split(box_a, 2, dim=-1)
    corner_b, size_b = torch.split(box_b, 2, dim=-1)
    end = torch.maximum(corner_a + size_a, corner_b + size_b)
    # What is only rounding is no reach: inside of the image a target is left as it is.
    length = (end - ROUNDING).clamp_min(1) - (
        torch.minimum(corner_a, corner_b) + ROUNDING
    ).clamp_max(0)
    return torch.cat([length, length], dim=-1)


def span_of(first: Tensor, difference: Tensor) -> Tensor:
    """Find what :func:`spanned` measured, from one box and the difference that it divided.

    The length L is the largest of four straight lines A + s · L, of which a difference of two
    boxes has every s < 1: L is then the largest A / (1 − s). A predicted difference may have none;
    the line is left out there.
    """
    corner, size = torch.split(first, 2, dim=-1)
    centre, grown = torch.split(difference, 2, dim=-1)
    later, sooner = centre + grown / 2, centre - grown / 2  # how far ends and corners lie apart
    end = (corner + size - ROUNDING).clamp_min(1)
    start = (corner + ROUNDING).clamp_max(0)
    known = end - start
    length = known
    for reach, rest in (
        (corner + size - ROUNDING - start, 1 + later),
        (end - corner - ROUNDING, 1 - sooner),
        (size - 2 * ROUNDING, 1 + grown),
    ):
        line = torch.where(rest > SMALLEST, reach / rest.clamp_min(SMALLEST), known)
        length = torch.maximum(length, line)
    return torch.cat([length, length], dim=-1)


def between_centres(share: Tensor, before: Value, after: Value) -> Tensor:
    """Stretch a box's side, a share of the image, so that its last pixels' centres fit the view's.

    A box of one pixel has no length between its centres; a hair is left, so that maps can be
    inverted.
    """
    centres = (share * before - 1).clamp_min(1e-3) / before
    stretched: Tensor = centres * (after / (after - 1))
    return stretched
