"""The one vocabulary: view records, their layout, and their form as one flat tensor.

A *view record* is a plain ``dict[str, Tensor]``, batch first, in physical units, with the identity
value where an augmentation was not applied, in the frame of the source image whatever the order of
the pipeline. It passes ``default_collate``, ``pin_memory``, pytrees and ``torch.compile`` as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from augself_loss.errors import RecordError

Record: TypeAlias = dict[str, Tensor]
"""One view's parameters: entry name → ``(B, columns)`` float32."""

Range: TypeAlias = tuple[float, float]
"""Lowest and highest value that a parameter is sampled from, ``(low, high)``."""


class Field(NamedTuple):
    """How one entry of a record is laid out.

    Args:
        columns: names of its columns, in order.
        identity: per column, the value that stands for "not applied".
        ranges: per column, the sampling range, ``None`` where it is not known or never varies.
    """

    columns: tuple[str, ...]
    identity: tuple[float, ...]
    ranges: tuple[Range | None, ...] = ()

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.columns)


Layout: TypeAlias = Mapping[str, Field]
"""Entry name → :class:`Field`, in the order in which :func:`pack` writes the entries."""


def is_dense_float(tensor: Tensor) -> bool:
    """Whether this is a tensor to compute with: neither sparse nor nested, of 16 bits or more."""
    dense = tensor.layout is torch.strided and not tensor.is_nested
    return dense and tensor.is_floating_point() and tensor.itemsize > 1


def check_layout(layout: object) -> None:
    """Refuse, as :class:`RecordError`, what does not say how a record is laid out."""
    fits = isinstance(layout, Mapping)
    for field in layout.values() if isinstance(layout, Mapping) else ():
        fits = fits and isinstance(field, Field)
    if not fits:
        found = type(layout).__name__ if not isinstance(layout, Mapping) else repr(dict(layout))
        raise RecordError(
            f"layout expected a dict from entry name to Field, found {found}. Pass recorder.layout."
        )


def widths_of(layout: Layout) -> list[int]:
    """List how many columns each entry of a layout has."""
    return [len(field.columns) for field in layout.values()]


def identity_record(
    layout: Layout, batch_size: int, device: torch.device | str | None = None
) -> Record:
    """Make the record of a batch to which nothing was done.

    Args:
        layout: the entries to hold.
        batch_size: number of samples B.
        device: where the tensors lie.

    Returns:
        Record with one ``(B, columns)`` float32 tensor per entry.

    Raises:
        RecordError: a batch size that is none, or an identity value for only some columns.

    Example:
        >>> identity_record({"blur": Field(("sigma",), (0.0,))}, 2)
        {'blur': tensor([[0.],
                [0.]])}
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 0:
        raise RecordError(f"batch_size expected an integer >= 0, found {batch_size!r}.")
    check_layout(layout)
    for name, field in layout.items():
        if len(field.identity) != field.width:
            raise RecordError(
                f"'{name}' expected one identity value for each of {field.columns}, found "
                f"{field.identity}."
            )
    return {
        name: torch.tensor(field.identity, dtype=torch.float32, device="cpu")
        .to(torch.get_default_device() if device is None else device, non_blocking=True)
        .expand(batch_size, field.width)
        .clone()
        for name, field in layout.items()
    }


def pack(record: Mapping[str, Tensor], layout: Layout) -> Tensor:
    """Write a record as one flat tensor, for hosts that pass tensors only.

    Args:
        record: view record, entries ``(..., columns)``.
        layout: which entries to write, in which order.

    Returns:
        Tensor ``(..., P)``, P the sum of the layout's widths.

    Raises:
        RecordError: an entry is missing, or is of another width, batch, device or dtype.

    Example:
        >>> layout = {"flip": Field(("flip",), (0.0,)), "blur": Field(("sigma",), (0.0,))}
        >>> pack({"flip": torch.ones(2, 1), "blur": torch.zeros(2, 1)}, layout)
        tensor([[1., 0.],
                [1., 0.]])
    """
    check_layout(layout)
    if not layout:
        raise RecordError("pack expected a layout with at least one entry, found none.")
    if not isinstance(record, Mapping):
        raise RecordError(f"pack expected a record (a dict), found {type(record).__name__}.")
    for name, field in layout.items():
        if name not in record:
            raise RecordError(
                f"pack expected the entry '{name}', found {list(record)}. Pass the layout of the "
                "recorder that made the record."
            )
        entry, first = record[name], record[next(iter(layout))]
        if not isinstance(entry, Tensor):
            raise RecordError(f"pack expected '{name}' as a tensor, found {type(entry).__name__}.")
        if not is_dense_float(entry):
            raise RecordError(
                f"pack expected '{name}' as a floating-point tensor, found {entry.dtype} "
                f"({entry.layout})."
            )
        if entry.ndim == 0 or entry.shape[-1] != field.width:
            raise RecordError(
                f"pack expected '{name}' with shape (..., {field.width}) for {field.columns}, "
                f"found {tuple(entry.shape)}."
            )
        if (entry.shape[:-1], entry.device) != (first.shape[:-1], first.device):
            raise RecordError(
                f"pack expected all entries of one batch on the same device, found '{name}' "
                f"{tuple(entry.shape)} on {entry.device} and others {tuple(first.shape)} on "
                f"{first.device}."
            )
    return torch.cat([record[name] for name in layout], dim=-1)


def unpack(packed: Tensor, layout: Layout) -> Record:
    """Read a record back from the flat tensor that :func:`pack` wrote.

    Args:
        packed: tensor ``(..., P)``.
        layout: the layout it was written with.

    Returns:
        Record whose entries are views of ``packed``.

    Raises:
        RecordError: the last dimension is not the layout's width, or the dtype is no float's.
    """
    check_layout(layout)
    widths = widths_of(layout)
    fits = isinstance(packed, Tensor) and packed.ndim > 0 and packed.shape[-1] == sum(widths)
    if not fits or not widths:
        found = tuple(packed.shape) if isinstance(packed, Tensor) else type(packed).__name__
        raise RecordError(
            f"unpack expected a tensor (..., {sum(widths)}) for the entries {list(layout)}, found "
            f"{found}. Use the layout that the tensor was packed with."
        )
    if not is_dense_float(packed):
        raise RecordError(
            f"unpack expected a floating-point tensor, found {packed.dtype} ({packed.layout}). "
            "For records packed by a MultiViewRecorder use split_views."
        )
    return dict(zip(layout, torch.split(packed, widths, dim=-1), strict=True))


def side_by_side(entries: Sequence[Tensor]) -> Tensor | None:
    """Find the tensor whose columns some entries are, as :func:`unpack` leaves them; nothing moves.

    Args:
        entries: at least one, ``(..., columns)``.

    Returns:
        ``(..., P)``, their columns in this order; ``None`` where they lie elsewhere, carry a
        gradient, or are being compiled, which spares the copies itself.
    """
    first = entries[0]
    if torch.compiler.is_compiling() or type(first) is not Tensor or first._base is None:
        return None
    start = end = first.storage_offset()
    rows, strides = first.shape[:-1], first.stride()
    for entry in entries:
        if (
            type(entry) is not Tensor
            or entry._base is not first._base
            or entry.storage_offset() != end
            or entry.stride() != strides
            or entry.shape[:-1] != rows
            or entry.dtype != first.dtype
            or entry.requires_grad
        ):
            return None
        end += entry.shape[-1]
    return first.as_strided((*rows, end - start), strides) if strides[-1:] == (1,) else None
