"""Packed records: the form in which they travel with views, and how it is read.

A tensor holds the records' float32 bits as int32, so that a host which casts floating-point batches
(to bf16, say) leaves the record as it was recorded, and as its last column a mark of their layout,
so that another recorder's are told from them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.errors import RecordError
from augself_loss.parameters import Layout, Record, check_layout, unpack, widths_of
from augself_loss.recording.uncollated import UNCOLLATED, is_uncollated

EXPECTED = (
    "AugSelf expected the views of a batch and, last, their records, an int32 tensor (B, N, P), "
    "found "
)

RECORD_DTYPE = torch.int32
"""Same width as the records' float32, and never cast by mixed or true half precision."""


def mark_of(layout: Layout) -> int:
    """Sum up in 31 bits what the records of a layout hold, and between which values.

    Args:
        layout: a recorder's.
    """
    fields = [(name, *map(tuple, field)) for name, field in layout.items()]
    return zlib.crc32(repr(fields).encode()) >> 1


def to_bits(packed: Tensor, mark: int) -> Tensor:
    """Write packed records in the form in which they travel with views.

    Args:
        packed: ``(..., columns)`` as :func:`~augself_loss.parameters.pack` makes it.
        mark: their layout's, see :func:`mark_of`.

    Returns:
        ``(..., P)`` int32: the float32 bits of the columns and, last, the mark.
    """
    return functional.pad(packed.float().view(RECORD_DTYPE), (0, 1), value=mark)


def from_bits(bits: Tensor, layout: Layout, *, check: bool = False) -> Record:
    """Read records from the form in which they travel with views.

    Args:
        bits: ``(..., P)`` int32 as :func:`to_bits` makes it.
        layout: that of their recorder.
        check: compare the mark also where it lies on an accelerator, which is then waited for.

    Returns:
        Record, entries ``(..., columns)`` float32.

    Raises:
        RecordError: another recorder made them.
    """
    width = sum(widths_of(layout))
    if bits.shape[-1] != width + 1:
        raise RecordError(
            f"AugSelf expected records with {width} + 1 columns for {list(layout)}, found "
            f"{tuple(bits.shape)}: another recorder made them. Use the same recorder for the data "
            "and the loss."
        )
    return unpack(_columns(bits, layout, check=check), layout)


def split_views(
    views: Sequence[Tensor], layout: Layout, *, check: bool = False
) -> tuple[list[Tensor], list[Record]]:
    """Take the records off the end of a collated list of views.

    Args:
        views: N views ``(B, …)`` and, last, the packed records ``(B, N, P)`` int32.
        layout: the :class:`MultiViewRecorder`'s.
        check: look whether this recorder made the records, also where they lie on an accelerator.
            On the CPU it is always looked at; elsewhere it waits for the device, so do it once.

    Returns:
        The N views, and one record per view, entries ``(B, columns)`` float32, which are views of
        one tensor.

    Raises:
        RecordError: no records at the end, those of another recorder, or views that are samples.
    """
    check_layout(layout)
    is_list = isinstance(views, Sequence) and not isinstance(views, str)
    given = list(views) if is_list else []
    if not (given and is_packed(given[-1])):
        if is_uncollated(views):
            raise RecordError(f"{EXPECTED}{UNCOLLATED}")
        kinds = [tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__ for v in given]
        found = kinds if is_list else type(views).__name__
        last = f", the last of {given[-1].dtype}" if given and isinstance(given[-1], Tensor) else ""
        raise RecordError(
            f"{EXPECTED}{found}{last}. Wrap the data set's transform in a MultiViewRecorder, and "
            "cast views alone."
        )
    *rest, packed = given
    check_images(rest)
    widths = widths_of(layout)
    if packed.shape[1:] != (len(rest), sum(widths) + 1):
        raise RecordError(
            f"AugSelf expected records of {len(rest)} views with {sum(widths)} + 1 columns for "
            f"{list(layout)}, found {tuple(packed.shape)}: another recorder made them. Use the "
            "same recorder for the data and the loss."
        )
    rows = _columns(packed, layout, check=check).unbind(1)
    return rest, [dict(zip(layout, torch.split(row, widths, dim=-1), strict=True)) for row in rows]


def check_images(views: Sequence[Any]) -> None:
    """Refuse views that are samples: images beside their masks, boxes or labels.

    Raises:
        RecordError: a view is no tensor.
    """
    others = [type(view).__name__ for view in views if not isinstance(view, Tensor)]
    if others:
        raise RecordError(
            f"AugSelf expected views that are tensors of images, found {others} (samples with "
            "masks or labels). Take out the images where the data set calls the recorder: "
            "(image1, mask1), (image2, mask2), packed = recorder(image, mask); return [image1, "
            "image2, packed], ..."
        )


def _columns(bits: Tensor, layout: Layout, *, check: bool) -> Tensor:
    """Take the mark off and read the columns as float32 again.

    Raises:
        RecordError: another recorder's mark.
    """
    looked = (check or bits.is_cpu) and not (bits.is_meta or torch.compiler.is_compiling())
    if looked and bool((bits[..., -1] != mark_of(layout)).any()):
        raise RecordError(
            f"AugSelf expected records of {list(layout)} with this recorder's ranges, found "
            "others: another recorder made them. Use the same recorder for the data and the loss."
        )
    return bits[..., :-1].view(torch.float32)


def is_packed(tensor: Any) -> bool:
    """Whether this is a batch's packed records rather than a view."""
    return isinstance(tensor, Tensor) and tensor.dtype == RECORD_DTYPE and tensor.ndim == 3
