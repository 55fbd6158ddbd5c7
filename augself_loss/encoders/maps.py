"""Maps of the plane as ``(B, 3, 3)`` matrices, on points that run from −1 to 1 across an image.

−1 and 1 are an image's edges, not the centres of its outermost pixels: resizing moves no point, a
flip negates a coordinate, and a turn has its centre at 0. Products are written out. A matmul would
be rounded by autocast and by TF32, to a part of a pixel and more.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from augself_loss.encoders.step import Value

Library: TypeAlias = Literal["kornia", "torchvision", "albumentations"]
"""Whose maps they are: libraries shear in different order and count corners differently."""


class Canvas(NamedTuple):
    """What an encoder may ask of the images before and after its steps.

    Args:
        before: height and width in pixels, numbers or ``(B,)`` tensors.
        after: likewise.
        library: whose steps they were.
        by_centres: whether crops are resized from centre to centre of their outermost pixels.
        earlier: types whose steps came before, where records do not tell and the user said so.
    """

    before: tuple[Value, Value]
    after: tuple[Value, Value]
    library: Library
    by_centres: bool
    earlier: tuple[str, ...] = ()


def as_matrix(*entries: Value) -> Tensor:
    """Stack six or nine entries, row by row, to ``(B, 3, 3)``; numbers hold for the whole batch."""
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    rows = entries if len(entries) == 9 else (*entries, 0.0, 0.0, 1.0)
    full = [e if isinstance(e, Tensor) else torch.full_like(like, float(e)) for e in rows]
    return torch.stack(full, dim=-1).view(*like.shape, 3, 3)


def product(first: Tensor, second: Tensor) -> Tensor:
    """Multiply ``(B, 3, 3)`` matrices, in full precision wherever they lie."""
    return (first.unsqueeze(-1) * second.unsqueeze(-3)).sum(-2)


def inverse(matrix: Tensor) -> Tensor:
    """Invert ``(B, 3, 3)`` matrices; unlike ``torch.linalg.inv`` it waits for no device."""
    first, second, third = matrix.unbind(-2)
    columns = [
        torch.linalg.cross(second, third),
        torch.linalg.cross(third, first),
        torch.linalg.cross(first, second),
    ]
    determinant = (first * columns[0]).sum(-1, keepdim=True)
    inverted: Tensor = torch.stack([column / determinant for column in columns], dim=-1)
    return inverted


def about_centre(linear: tuple[Value, Value, Value, Value], size: tuple[Value, Value]) -> Tensor:
    """Make the matrix of a linear map about the centre that is given row by row, in pixels."""
    (height, width), (xx, xy, yx, yy) = size, linear
    return as_matrix(xx, xy * (height / width), 0.0, yx * (width / height), yy, 0.0)
