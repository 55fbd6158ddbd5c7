"""What a row of numbers is shown as: a record, or the packed records of several views."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from augself_loss.encoders.in_place import Starts
from augself_loss.parameters import Layout, Record, widths_of
from augself_loss.recording.rows import Blanks, Row, identity_row, starts_of

T = TypeVar("T")


class Form(ABC, Generic[T]):
    """Makes rows to be written, and shows them.

    Args:
        identity: the row of an image to which nothing was done.
    """

    def __init__(self, identity: Row) -> None:
        self._identity = identity
        self._blanks = Blanks[T]()

    def row(self) -> Row:
        """Make a row: the identity."""
        return self._identity[:]  # bit for bit: as a number, a mark might not survive

    def take(self) -> tuple[Row, T]:
        """Take a row, and what shows whatever is written into it."""
        return self._blanks.take(self._blank)

    def _blank(self) -> tuple[Row, T]:
        row = self.row()
        return row, self.shown(row)

    @abstractmethod
    def shown(self, row: Row) -> T:
        """Show a row; what is written into it later is seen too."""

    @abstractmethod
    def batch(self, rows: Tensor) -> T:
        """Show the rows of a batch, ``(B, columns)`` float32, as ``default_collate`` would."""

    @abstractmethod
    def beside(self, made: Any, shown: Any) -> Any:
        """Put views and what shows their row together as the recorder returns them."""

    @abstractmethod
    def fits(self, other: Form[Any]) -> bool:
        """Whether rows of both may stand in one batch."""


class RecordForm(Form[Record]):
    """A row that is one view's record.

    Args:
        layout: its entries.

    Attributes:
        starts: where they begin.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(identity_row(layout))
        self._names, self._widths = list(layout), widths_of(layout)
        self.starts = starts_of(layout)

    def shown(self, row: Row) -> Record:
        """Show a row as a record, entries ``(columns,)``."""
        if not row:
            return {}
        # Through a buffer: torch.tensor looks at every number of a list to find its type and shape.
        flat = torch.frombuffer(row, dtype=torch.float32)
        # torch.split would first look, in Python, at what it is given.
        return dict(zip(self._names, flat.split_with_sizes(self._widths), strict=True))

    def batch(self, rows: Tensor) -> Record:
        """Show rows as a batch's record, entries ``(B, columns)``, each a tensor of its own."""
        split = torch.split(rows, self._widths, dim=1)
        return {
            name: entry.clone(memory_format=torch.contiguous_format)
            for name, entry in zip(self._names, split, strict=True)
        }

    def beside(self, made: Any, shown: Any) -> tuple[Any, Any]:
        """A view and its record."""
        return made, shown

    def fits(self, other: Form[Any]) -> bool:
        """Whether entries and their widths are the same."""
        return (
            isinstance(other, RecordForm)
            and self._names == other._names
            and self._widths == other._widths
        )


class PackedForm(Form[Tensor]):
    """A row that holds the records of all views of an image, each with its mark, as they travel.

    Args:
        layout: the entries of each.
        mark: the layout's.
        views: how many.

    Attributes:
        starts: per view, where its entries begin.
    """

    def __init__(self, layout: Layout, mark: int, views: int) -> None:
        one = identity_row(layout)
        one.frombytes(mark.to_bytes(4, sys.byteorder))
        super().__init__(one * views)
        self._shape = (views, len(one))
        self.starts: Sequence[Starts] = [starts_of(layout, n * len(one)) for n in range(views)]

    def shown(self, row: Row) -> Tensor:
        """Show a row as packed records ``(N, P)`` int32."""
        return torch.frombuffer(row, dtype=torch.int32).view(self._shape)

    def batch(self, rows: Tensor) -> Tensor:
        """Show rows as a batch's packed records ``(B, N, P)`` int32."""
        return rows.view(torch.int32).view(-1, *self._shape)

    def beside(self, made: Any, shown: Any) -> list[Any]:
        """All views and, last, their packed records."""
        return [*made, shown]

    def fits(self, other: Form[Any]) -> bool:
        """Whether there are as many views of as many columns; whose they are, their marks say."""
        return isinstance(other, PackedForm) and self._shape == other._shape
