"""Where in one view the places of another lie."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from augself_loss.encoders.maps import inverse, product
from augself_loss.errors import RecordError
from augself_loss.geometry.pixels import Pixels, check_size
from augself_loss.geometry.placing import both, canvases_of

HORIZON = 1e-6
"""Points are divided by no less. Beyond a perspective's horizon they come to lie far away."""


def grid(
    record1: Mapping[str, Tensor],
    record2: Mapping[str, Tensor],
    pixels: Pixels,
    pixels2: Pixels | None = None,
    *,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Say where in view 1 the places of view 2 lie, to sample view 1 there.

    Images and feature maps of any resolution are sampled by the same grid: what the places of a
    map show reaches from edge to edge of its view.

    Args:
        record1: record of view 1, the one to sample, entries ``(B, columns)``.
        record2: record of view 2.
        pixels: the sizes and the library.
        pixels2: those of view 2, where they differ.
        size: height and width of view 2, or of its feature map: how many places it has.

    Returns:
        Grid ``(B, height, width, 2)`` for ``grid_sample(view1, grid, align_corners=False)``, and
        mask ``(B, height, width)``, true where view 1 shows what view 2 shows there. Elsewhere the
        place lies outside of view 1, or shows padding.

    Raises:
        RecordError: as :func:`between` does; a size that is none.

    Example:
        >>> left = {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]])}
        >>> whole = {"crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]])}
        >>> pixels = Pixels(source=(8, 8), view=(8, 8), library="torchvision")
        >>> places, seen = grid(left, whole, pixels, size=(1, 4))
        >>> seen
        tensor([[[ True,  True, False, False]]])
        >>> sampled = torch.nn.functional.grid_sample(
        ...     torch.rand(1, 16, 7, 7), places, align_corners=False
        ... )
    """
    check_size("size", size)
    if isinstance(size, Tensor):
        raise RecordError("size expected one (height, width) for the whole batch, found a tensor.")
    first, second = both(record1, record2, pixels, pixels2 or pixels)
    to_first = product(inverse(first.to_source), second.to_source)
    y, x = (_centres(side, to_first) for side in size)
    x, y = x[None, None], y[None, :, None]
    to_x, to_y, scale = _mapped(to_first, x, y)
    shown = _within(to_x, to_y, scale)
    for canvas in canvases_of(second, first, to_first):
        shown &= _within(*_mapped(canvas, x, y))
    places = torch.stack([to_x, to_y], dim=-1)
    return places.div_(scale.clamp_min(HORIZON).unsqueeze(-1)), shown


def _centres(count: int, like: Tensor) -> Tensor:
    """Place the centres of so many pixels evenly between the edges −1 and 1."""
    steps = torch.arange(count, dtype=like.dtype, device=like.device)
    return (2 * steps + 1) / count - 1


def _mapped(matrix: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Map points to x, y and what both are to be divided by, ``(B, height, width)`` each."""
    rows = (row[:, None, None].unbind(-1) for row in matrix.unbind(-2))
    # Not before the last sum is there a number for every point.
    to_x, to_y, scale = (a * x + (b * y + c) for a, b, c in rows)
    return to_x, to_y, scale


def _within(x: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    """Whether points lie between −1 and 1 on both axes, and ahead of the horizon."""
    return torch.maximum(x.abs(), y.abs()) <= scale
