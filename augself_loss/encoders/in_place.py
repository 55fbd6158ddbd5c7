"""Readers that also write straight into a row of numbers, for the steps that most images have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from itertools import accumulate
from typing import Any, TypeAlias

from augself_loss.encoders.step import Columns, Seen, Step, Value

Starts: TypeAlias = Mapping[str, int]
"""Entry → where in a row its columns begin; what it lacks is not recorded."""
Row: TypeAlias = MutableSequence[Value]
"""Columns of a record, of several entries one after another."""
Params: TypeAlias = Mapping[str, Any]
Image: TypeAlias = Seen | Step
"""What is known of the image; a step says the same of its own."""
Place: TypeAlias = Callable[[Row, Starts, Params, Image], None]
"""``place(row, starts, params, image)`` writes what a step sampled; what it leaves out stays."""


class InPlace:
    """A reader of steps that needs no dict to write into a row.

    So a type says once how it is read, and is read in a third of the time where images are
    augmented one by one. Readers may as well be plain functions that return the dict.

    Args:
        place: writes a step's columns into a row.
        **widths: entry that it writes → number of columns.

    Example:
        >>> def place(row, starts, params, image):
        ...     row[starts["shift"]] = params["pixels"] / image.size[1]
        >>> read = InPlace(place, shift=1)
        >>> read(Step("Shift", {"pixels": 2}, {}, size=(8, 16)))
        {'shift': (0.125,)}
    """

    def __init__(self, place: Place, **widths: int) -> None:
        self.place, self._widths = place, widths
        ends = tuple(accumulate(widths.values(), initial=0))
        self._starts: Starts = dict(zip(widths, ends, strict=False))
        self._total = ends[-1]

    def __call__(self, step: Step) -> Mapping[str, Columns]:
        """Read a step into record entries; a column that it leaves out is ``None``."""
        row: list[Value] = [None] * self._total
        self.place(row, self._starts, step.params, step)
        return {name: tuple(row[at : at + self._widths[name]]) for name, at in self._starts.items()}
