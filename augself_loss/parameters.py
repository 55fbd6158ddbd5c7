"""The one vocabulary: view records, their layout, and their form as one flat tensor.

A *view record* is a plain ``dict[str, Tensor]``, batch first, in physical units, with the identity
value where an augmentation was not applied, in the frame of the source image whatever the order of
the pipeline. It passes ``default_collate``, ``pin_memory``, pytrees and ``torch.compile`` as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    Example:
        >>> identity_record({"blur": Field(("sigma",), (0.0,))}, 2)
        {'blur': tensor([[0.],
                [0.]])}
    """
    return {
        name: torch.tensor(field.identity, device=device).expand(batch_size, field.width).clone()
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
        RecordError: an entry is missing or has another width.

    Example:
        >>> layout = {"flip": Field(("flip",), (0.0,)), "blur": Field(("sigma",), (0.0,))}
        >>> pack({"flip": torch.ones(2, 1), "blur": torch.zeros(2, 1)}, layout)
        tensor([[1., 0.],
                [1., 0.]])
    """
    for name, field in layout.items():
        if name not in record:
            raise RecordError(
                f"pack expected the entry '{name}', found {sorted(record)}. "
                "Record the view with the recorder whose layout this is."
            )
        if record[name].ndim == 0 or record[name].shape[-1] != field.width:
            raise RecordError(
                f"pack expected '{name}' as (..., {field.width}) for {field.columns}, "
                f"found {tuple(record[name].shape)}."
            )
    if not layout:
        raise RecordError("pack expected a layout with at least one entry, found none.")
    return torch.cat([record[name] for name in layout], dim=-1)


def unpack(packed: Tensor, layout: Layout) -> Record:
    """Read a record back from the flat tensor that :func:`pack` wrote.

    Args:
        packed: tensor ``(..., P)``.
        layout: the layout it was written with.

    Returns:
        Record whose entries are views of ``packed``.

    Raises:
        RecordError: the last dimension is not the layout's width.
    """
    widths = [field.width for field in layout.values()]
    if packed.ndim == 0 or packed.shape[-1] != sum(widths):
        raise RecordError(
            f"unpack expected (..., {sum(widths)}) for the entries {list(layout)}, "
            f"found {tuple(packed.shape)}. Use the layout that the tensor was packed with."
        )
    return dict(zip(layout, torch.split(packed, widths, dim=-1), strict=True))
