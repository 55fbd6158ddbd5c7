"""Where a view lies in its source: the maps of a record's types, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Value
from augself_loss.encoders.maps import Canvas, as_matrix, product
from augself_loss.errors import RecordError
from augself_loss.geometry.pixels import Pixels, Size, sides

ROLES = ("crop", "mirror", "turn", "warp")
"""How a record's types follow each other: each is recorded in the frame of those before."""


class Placed(NamedTuple):
    """Where views lie, as maps of points from −1 to 1 across an image, edge to edge.

    Args:
        to_source: view → source, ``(B, 3, 3)`` on points (x, y, 1).
        canvases: view → each image that its content had to lie within: the source, and those that
            were warped. A warp brings in padding from beyond its image, whatever the source shows
            there. The source is the last.
    """

    to_source: Tensor
    canvases: tuple[Tensor, ...]


def placed(record: Mapping[str, Tensor], pixels: Pixels, *, edges: bool = False) -> Placed:
    """Map views to their sources.

    Args:
        record: view record, entries ``(B, columns)``.
        pixels: the sizes and the library.
        edges: map crops edge to edge, whatever ``pixels.by_centres`` says.

    Raises:
        RecordError: an entry of a type that is not known, an order that is not told, other dtypes,
            or sizes of another number of images.
    """
    like = _checked(record)
    by_centres = pixels.centred and not edges
    reached = turned = torch.eye(3, dtype=like.dtype, device=like.device).expand(len(like), 3, 3)
    source, view = sides(pixels.source, like), sides(pixels.view, like)
    size = view if pixels.warped is None else sides(pixels.warped, like)
    canvases = []
    for encoder in reversed(_steps(record, pixels)):
        before = after = size
        if encoder.moves == "crop":
            before, after = source, _turned(size, turned) if by_centres else size
        canvas = Canvas(before, after, pixels.library, by_centres, pixels.before(encoder.name))
        undone = encoder.undo(record, canvas)
        reached = product(undone, reached)
        turned = product(undone, turned) if encoder.moves == "turn" else turned
        canvases += [reached] if encoder.moves == "warp" else []
    return Placed(reached, (*canvases, reached))


def both(
    record1: Mapping[str, Tensor],
    record2: Mapping[str, Tensor],
    pixels: Pixels,
    pixels2: Pixels,
    *,
    edges: bool = False,
) -> tuple[Placed, Placed]:
    """Map both views of a pair to their source, as :func:`placed` does.

    Raises:
        RecordError: as :func:`placed` does; batches or sources that differ.
    """
    views = placed(record1, pixels, edges=edges), placed(record2, pixels2, edges=edges)
    one, other = (view.to_source for view in views)
    if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
        raise RecordError(
            "geometry expected two records of the same batch size, dtype and device, found "
            f"{len(one)} views, {one.dtype}, {one.device} and {len(other)}, {other.dtype}, "
            f"{other.device}. Pass the records of two views of the same images."
        )
    sources = (pixels.source, pixels2.source)
    known = {tuple(size) for size in sources if not isinstance(size, Tensor)}
    if len(known) > 1:
        raise RecordError(
            f"geometry expected both views to have the same source size, found {sources}. Give "
            "both Pixels the size of the images that the pipelines take."
        )
    return views


def canvases_of(view: Placed, other: Placed, to_other: Tensor) -> list[Tensor]:
    """List the images within which a point of a view lies if both views show it.

    Args:
        view: the view, and
        other: the other one of its source.
        to_other: view → other view.

    Returns:
        View → image, ``(B, 3, 3)`` each; the source is among them once.
    """
    return [*view.canvases, *(product(canvas, to_other) for canvas in other.canvases[:-1])]


def in_pixels(matrix: Tensor, size: Size, size_to: Size) -> Tensor:
    """Take a map of points from −1 to 1 to points in pixels.

    Args:
        matrix: ``(B, 3, 3)``.
        size: height and width of the images that points are given in.
        size_to: those of the images that they are mapped to.
    """
    like = matrix[:, 0, 0]
    (height, width), (height_to, width_to) = sides(size, like), sides(size_to, like)
    given = as_matrix(2 / width + 0 * like, 0.0, 1 / width - 1, 0.0, 2 / height, 1 / height - 1)
    taken = as_matrix(
        width_to / 2 + 0 * like, 0.0, (width_to - 1) / 2, 0.0, height_to / 2, (height_to - 1) / 2
    )
    return product(product(taken, matrix), given)


def _checked(record: Mapping[str, Tensor]) -> Tensor:
    """Refuse what is no record, and return a column of it.

    Raises:
        RecordError: nothing in it, or entries of another form, batch, dtype or device.
    """
    entries = list(record.items()) if isinstance(record, Mapping) else []
    if not entries:
        raise RecordError(
            f"geometry expected a view's record, found {record!r}. Pass the record that a "
            "recorder returned."
        )
    first = entries[0][1]
    for name, entry in entries:
        if not isinstance(entry, Tensor) or entry.ndim != 2:
            found = tuple(entry.shape) if isinstance(entry, Tensor) else type(entry).__name__
            raise RecordError(
                f"geometry expected '{name}' as (B, columns), found {found}. Make a batch of a "
                "single record: torch.utils.data.default_collate([record])."
            )
        if entry.dtype not in (torch.float32, torch.float64):
            raise RecordError(
                f"geometry expected '{name}' in float32 or float64, found {entry.dtype}, which is "
                "too coarse to place pixels. Keep records in the dtype that their recorder "
                "returns."
            )
        if (len(entry), entry.dtype, entry.device) != (len(first), first.dtype, first.device):
            raise RecordError(
                f"geometry expected entries of the same batch, dtype and device, found '{name}' "
                f"as {tuple(entry.shape)}, {entry.dtype}, {entry.device}, and others as "
                f"{tuple(first.shape)}, {first.dtype}, {first.device}."
            )
    return first[:, 0]


def _steps(record: Mapping[str, Tensor], pixels: Pixels) -> list[Encoder]:
    """List the record's types that move pixels, in the order in which they are to be read.

    Raises:
        RecordError: an entry of no known type, or an order that the record does not tell.
    """
    unknown = [name for name in record if name not in pixels.types]
    if unknown:
        raise RecordError(
            f"geometry expected entries of known types, found {unknown}, which may move pixels. "
            "Pass their encoders, Pixels(..., encoders=[MyEncoder()]), or leave the entries out "
            "of the record."
        )
    for name, entry in record.items():
        width = pixels.types[name].fields[name].width
        if entry.shape[-1] != width:
            raise RecordError(
                f"geometry expected '{name}' as (B, {width}), found {tuple(entry.shape)}. Pass "
                "the record that a recorder returned."
            )
    moving = [e for name, e in pixels.types.items() if e.name == name in record and e.moves]
    _check_order(moving, pixels)
    return sorted(moving, key=lambda e: (ROLES.index(e.moves or ""), len(pixels.before(e.name))))


def _check_order(moving: list[Encoder], pixels: Pixels) -> None:
    """Refuse steps that do not commute and of which nobody said which came first."""
    told = set(pixels.order)
    warps = [encoder.name for encoder in moving if encoder.moves == "warp"]
    if len(warps) > 1 and not told.issuperset(warps):
        raise RecordError(
            f"geometry expected the order in which {warps} were applied, which the record does "
            "not hold, found none. Pass the pipeline's order: Pixels(..., "
            f"order={tuple(warps)!r}). If the pipeline applies at most one of them to an image, "
            "any order is right."
        )
    doubtful = {name for e in moving for name in e.order_matters.get(pixels.library, ())}
    flips = [encoder.name for encoder in moving if encoder.name in doubtful]
    wanted = [*flips, *warps]
    if flips and not told.issuperset(wanted):
        raise RecordError(
            f"geometry expected the order in which {wanted} were applied, which the record does "
            f"not hold, found none; it shifts {pixels.library}'s views by up to a pixel. Pass the "
            f"pipeline's order: Pixels(..., order={tuple(wanted)!r}). If it never flips, any "
            "order is right."
        )


def _turned(size: tuple[Value, Value], turned: Tensor) -> tuple[Value, Value]:
    """Find the size of images before quarter turns."""
    height, width = size
    crossed = turned[:, 0, 1].abs()
    return height + crossed * (width - height), width + crossed * (height - width)
