"""Runs a callable that says nothing of what it did, by a function that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from torch import nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.notes import note

Entries: TypeAlias = Mapping[str, Columns]
Apply: TypeAlias = Callable[[Any, Any], "tuple[Any, Columns | Entries | None]"]
"""``apply(transform, image) → (view, columns)``: its encoder's columns, or several entries by name;
``None`` where nothing was applied."""
Size: TypeAlias = "tuple[int, int]"
"""Height and width in pixels."""

TWO_VIEWS = (
    "A record describes one view. Let the wrapper make one view, or use ViewsRecorder(transform) "
    "for an object that makes several, or MultiViewRecorder(TorchvisionRecorder(pipeline), "
    "views=2)."
)


class Reports:
    """What a callable may report: entries of its encoders, inside of their ranges.

    Args:
        encoders: those of the record entries that it writes.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.first = encoders[0].name
        self._bounds: dict[str, Sequence[_Bound]] = {}
        for encoder in encoders:
            self._bounds.update(dict.fromkeys(encoder.extras, ()))
            self._bounds[encoder.name] = _bounds(encoder)

    def read(self, name: str, told: Columns | Entries) -> Entries:
        """Read what a callable reported, columns being those of the first encoder.

        Raises:
            PipelineError: an entry that is none of theirs, or a column outside its range that is
                not the identity.
        """
        entries: Entries = told if isinstance(told, Mapping) else {self.first: tuple(told)}
        for entry, columns in entries.items():
            bounds = self._bounds.get(entry)
            if bounds is None:
                raise PipelineError(
                    f"Expected '{name}' to report entries from {sorted(self._bounds)}, found "
                    f"'{entry}'. Register encoders for everything it does, or report less."
                )
            for bound, value in zip(bounds, columns, strict=False):
                inside = value is None or bound.low <= value <= bound.high
                if not (inside or abs(value - bound.identity) <= bound.slack):
                    raise PipelineError(
                        f"'{name}' expected {bound.column} in {bound.between}, the range of its "
                        f"encoder, found {float(value):.4g}: it was changed, or its encoder has "
                        "another range. Make a new recorder, or give the encoder the widest range."
                    )
        return entries


class Reported(nn.Module):
    """A callable, run by the function that is known for it.

    Args:
        transform: the callable.
        encoders: those of the record entries that it writes.
        apply: runs it and reports columns, those of the first encoder where no names say whose.
        size_of: reads the size of what it is given.
    """

    def __init__(
        self,
        transform: Any,
        encoders: Sequence[Encoder],
        apply: Apply,
        size_of: Callable[[Any], Size],
    ) -> None:
        super().__init__()
        self.transform, self.apply_to, self.size_of = transform, apply, size_of
        self._reports = Reports(encoders)

    def forward(self, *images: Any) -> Any:
        """Run the callable and note what it reports."""
        image = as_given(images)
        size = self.size_of(image)
        view, told = self.apply_to(self.transform, image)
        name = type(self.transform).__name__
        if told is not None:
            note(Step(name, {}, {}, size), self._reports.read(name, told))
        return check_one_view(view, image, name)


def as_given(images: tuple[Any, ...]) -> Any:
    """Return the one image that a callable was given, or what a sample consists of, as a tuple."""
    return images if len(images) > 1 else images[0]


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


def check_one_view(view: Any, image: Any, name: str) -> Any:
    """Pass a view on, and refuse several.

    Raises:
        PipelineError: a list or tuple of views, where one image was given.
    """
    if isinstance(view, (list, tuple)) and not isinstance(image, (list, tuple)):
        raise PipelineError(
            f"Expected '{name}' to return one view, found a {type(view).__name__} of {len(view)}. "
            f"{TWO_VIEWS}"
        )
    return view
