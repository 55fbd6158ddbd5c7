"""What a callable may report of what it did: entries of its encoders, inside of their ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.rows import misfit

Entries: TypeAlias = Mapping[str, Columns]


class Reports:
    """What a callable may report: entries of its encoders, inside of their ranges.

    Args:
        encoders: those of the record entries that it writes.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.first = encoders[0].name
        self._columns: dict[str, tuple[str, ...]] = {}
        self._bounds: dict[str, Sequence[_Bound]] = {}
        for encoder in encoders:
            self._columns.update((name, field.columns) for name, field in encoder.fields.items())
            self._bounds.update(dict.fromkeys(encoder.extras, ()))
            self._bounds[encoder.name] = _bounds(encoder)

    def read(self, name: str, told: Columns | Entries) -> Entries:
        """Read what a callable reported, columns being those of the first encoder.

        Raises:
            PipelineError: an entry that is none of theirs, more or fewer columns than it has, or a
                column outside its range that is not the identity.
        """
        entries: Mapping[str, Any] = told if isinstance(told, Mapping) else {self.first: told}
        return {entry: self._read(name, entry, columns) for entry, columns in entries.items()}

    def _read(self, name: str, entry: str, columns: Any) -> Columns:
        bounds, names = self._bounds.get(entry), self._columns.get(entry, ())
        if bounds is None:
            raise PipelineError(
                f"Expected '{name}' to report entries from {sorted(self._bounds)}, found "
                f"'{entry}'. Register encoders for everything it does, or report less."
            )
        try:
            read = tuple(columns)
        except TypeError as error:
            raise misfit(name, entry, columns, names) from error
        if len(read) != len(names):
            raise misfit(name, entry, read, names)
        for bound, value in zip(bounds, read, strict=False):
            try:
                inside = value is None or bound.low <= value <= bound.high
                close = inside or abs(value - bound.identity) <= bound.slack
            except TypeError as error:
                raise PipelineError(
                    f"'{name}' expected a number for {bound.column}, found "
                    f"{type(value).__name__}. Report a float, or None to leave it as it is."
                ) from error
            if not close:
                raise PipelineError(
                    f"'{name}' expected {bound.column} in {bound.between}, the range of its "
                    f"encoder, found {float(value):.4g}: it was changed, or its encoder has "
                    "another range. Make a new recorder, or give the encoder the widest range."
                )
        return read


class _Bound(NamedTuple):
    """Between which values a column lies, rounding included."""

    low: float
    high: float
    identity: float
    slack: float
    column: str
    between: Range | None


def _bounds(encoder: Encoder) -> list[_Bound]:
    bounds = []
    columns = zip(encoder.columns, encoder.identity, encoder.ranges, strict=False)
    for column, identity, between in columns:
        low, high = between or (identity, identity)
        slack = 1e-4 * max(1.0, abs(low), abs(high))
        bounds.append(_Bound(low - slack, high + slack, identity, slack, column, between))
    return bounds
