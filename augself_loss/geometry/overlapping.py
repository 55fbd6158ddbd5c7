"""What two views show of the same part of their source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from augself_loss.encoders.base import Value
from augself_loss.encoders.maps import inverse, product
from augself_loss.geometry.pixels import Pixels, sides
from augself_loss.geometry.placing import Placed, both, canvases_of
from augself_loss.geometry.polygons import area, clip, limits, square


class Overlap(NamedTuple):
    """What two views show of the same part of their source.

    Args:
        share1: share of view 1's area that view 2 shows too, ``(B,)`` in [0, 1].
        share2: share of view 2's area that view 1 shows too.
        boxes1: the smallest box of view 1 that holds it, ``(B, 4)``: left, top, right, bottom in
            pixels, where the view reaches from 0 to its width and height. Zeros where nothing is.
        boxes2: likewise in view 2's pixels.
    """

    share1: Tensor
    share2: Tensor
    boxes1: Tensor
    boxes2: Tensor


def overlap(
    record1: Mapping[str, Tensor],
    record2: Mapping[str, Tensor],
    pixels: Pixels,
    pixels2: Pixels | None = None,
) -> Overlap:
    """Measure how much of each view the other shows too, and where.

    Views that are cropped, mirrored or turned by quarters overlap in a box. Others overlap in a
    polygon, and the box is the smallest that holds it. Shares and boxes are exact for both,
    perspective maps among them. Padding counts as not shown. Areas run from edge to edge, as a
    record's boxes do, however the library resizes.

    Args:
        record1: record of view 1, entries ``(B, columns)``.
        record2: record of view 2.
        pixels: the sizes and the library.
        pixels2: those of view 2, where they differ.

    Returns:
        :class:`Overlap`.

    Raises:
        RecordError: as :func:`between` does.

    Example:
        >>> left = {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]])}
        >>> whole = {"crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]])}
        >>> found = overlap(left, whole, Pixels((8, 8), (8, 8), "torchvision"))
        >>> found.share1, found.share2, found.boxes2
        (tensor([1.]), tensor([0.5000]), tensor([[0., 0., 4., 8.]]))
    """
    second = pixels if pixels2 is None else pixels2
    views = both(record1, record2, pixels, second, edges=True)
    # Both ways at once: there are as many lines, and only lines, for either.
    lines = torch.cat([_limits(*views), _limits(*views[::-1])])
    shown = clip(square(lines), lines)
    shares = (area(shown) / 4).clamp(0, 1)
    ends = torch.stack([shown.amin(1), shown.amax(1)], dim=1)
    # Where nothing is left the box is that of the point (−1, −1), in pixels 0.
    ends = torch.where(shares[:, None, None] > 0, ends, -1.0)
    (share1, share2), (ends1, ends2) = shares.chunk(2), ends.chunk(2)
    return Overlap(
        share1,
        share2,
        _box(ends1, sides(pixels.view, share1)),
        _box(ends2, sides(second.view, share2)),
    )


def _limits(view: Placed, other: Placed) -> Tensor:
    """List the lines within which a view shows what another shows too, ``(B, L, 3)``."""
    to_other = product(inverse(other.to_source), view.to_source)
    maps = [to_other, *canvases_of(view, other, to_other)]
    return torch.cat([limits(one) for one in maps], dim=-2)


def _box(ends: Tensor, size: tuple[Value, Value]) -> Tensor:
    """Make of a box's first and last point, ``(B, 2, 2)`` in −1 … 1, its sides in pixels."""
    height, width = size
    x, y = ((1 + end) / 2 for end in ends.unbind(-1))
    (left, right), (top, bottom) = (x.T * width), (y.T * height)
    return torch.stack([left, top, right, bottom], dim=-1)
