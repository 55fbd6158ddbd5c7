"""Records as rows of numbers: one buffer per image, which every step writes into.

The dict of a record is made of its row at the very end, or never: several views pack their rows as
they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeAlias, TypeVar

import torch

from augself_loss.encoders.base import Value
from augself_loss.encoders.in_place import Starts
from augself_loss.errors import PipelineError
from augself_loss.parameters import Layout, widths_of

T = TypeVar("T")
Row: TypeAlias = "array[float]"
"""The columns of one record, or of several one after another, in float32."""
AT_ONCE = 32
"""How many rows are made at once."""


def identity_row(layout: Layout) -> Row:
    """Write the record of an image to which nothing was done."""
    return array("f", [value for field in layout.values() for value in field.identity])


def starts_of(layout: Layout, at: int = 0) -> Starts:
    """Say where the entries of a layout begin in a row, the first at ``at``."""
    return dict(zip(layout, accumulate(widths_of(layout), initial=at), strict=False))


def write(row: Row, starts: Starts, entries: Mapping[str, Sequence[Value]]) -> None:
    """Write entries into a row.

    Args:
        row: at first the identity; a column that is ``None`` stays.
        starts: where they begin.
        entries: what was read from a step, or a whole record.
    """
    for name, columns in entries.items():
        at = starts.get(name)
        if at is not None:
            for value in columns:
                if value is not None:
                    row[at] = value
                at += 1


def misfit(step: str, entry: str, columns: Any, names: Sequence[str]) -> PipelineError:
    """Say that columns are not an entry's; one more would be written into the next entry.

    Args:
        step: what they were read from.
        entry: the entry.
        columns: they, or whatever came in their place.
        names: the entry's columns.
    """
    sized = isinstance(columns, (tuple, list))
    found = str(len(columns)) if sized else f"a {type(columns).__name__}"
    return PipelineError(
        f"'{step}' expected {len(names)} column{'s' * (len(names) != 1)} of '{entry}', found "
        f"{found}. Return a tuple with a value for each, or None to leave one as it is: "
        f"({', '.join(names)}{',' * (len(names) == 1)})."
    )


class Blanks(Generic[T]):
    """Rows to be written, with the tensors that show them, made many at a time.

    Between two images nothing of what makes a tensor is in the processor's caches: there it takes
    ten times as long as in a row with others.
    """

    def __init__(self) -> None:
        self._stock: list[tuple[Row, T]] = []

    def take(self, make: Callable[[], tuple[Row, T]]) -> tuple[Row, T]:
        """Take one.

        Args:
            make: makes one: a row that holds the identity, and what shows it.
        """
        try:
            return self._stock.pop()
        except IndexError:
            # Whoever comes first in no_grad or inference_mode shall not leave such tensors behind.
            with torch.inference_mode(False), torch.enable_grad():
                self._stock += [make() for _ in range(AT_ONCE)]
                return make()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()
