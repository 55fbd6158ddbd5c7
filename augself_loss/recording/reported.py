"""Runs a callable that says nothing of what it did, by a function that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError
from augself_loss.recording.notes import note

Apply: TypeAlias = Callable[[Any, Any], "tuple[Any, Columns | None]"]
"""``apply(transform, image) → (view, columns)``; ``None`` where nothing was applied."""
Size: TypeAlias = "tuple[int, int]"
"""Height and width in pixels."""

TWO_VIEWS = (
    "A record is that of one view: let the wrapper make one; give an object that makes several to "
    "ViewsRecorder(transform); or give its pipeline to "
    "MultiViewRecorder(TorchvisionRecorder(pipeline), views=2), which makes several views and a "
    "record of each."
)


class Reported(nn.Module):
    """A callable, run by the function that is known for it.

    Args:
        transform: the callable.
        encoder: that of the record entry that it writes.
        apply: runs it and reports its columns.
        size_of: reads the size of what it is given.
    """

    def __init__(
        self, transform: Any, encoder: Encoder, apply: Apply, size_of: Callable[[Any], Size]
    ) -> None:
        super().__init__()
        self.transform, self.encoder, self.apply_to = transform, encoder, apply
        self.size_of = size_of

    def forward(self, image: Any) -> Any:
        """Run the callable and note what it reports."""
        size = self.size_of(image)
        view, columns = self.apply_to(self.transform, image)
        name = type(self.transform).__name__
        if columns is not None:
            check_reported(name, self.encoder, columns)
            note(Step(name, {}, {}, size), {self.encoder.name: tuple(columns)})
        return check_one_view(view, image, name)


def check_reported(name: str, encoder: Encoder, columns: Columns) -> None:
    """Refuse columns that a callable cannot have drawn when its encoder was built.

    Raises:
        PipelineError: a column outside its range that is not the identity.
    """
    limits = zip(encoder.columns, encoder.identity, encoder.ranges, columns, strict=False)
    for column, identity, between, value in limits:
        low, high = between or (identity, identity)
        slack = 1e-4 * max(1.0, abs(low), abs(high))
        inside = value is None or low - slack <= value <= high + slack
        if not (inside or abs(value - identity) <= slack):
            raise PipelineError(
                f"'{name}' expected to draw {column} from {between}, the range of the encoder it "
                f"is read by, found {float(value):.4g}: it was changed since, or the encoder was "
                "given another range. Make a new recorder, or give the encoder the widest range."
            )


def check_one_view(view: Any, image: Any, name: str) -> Any:
    """Pass a view on, and refuse several.

    Raises:
        PipelineError: a list or tuple of views, where one image was given.
    """
    if isinstance(view, (list, tuple)) and not isinstance(image, (list, tuple)):
        raise PipelineError(
            f"'{name}' expected to return one view, found a {type(view).__name__} of {len(view)}. "
            f"{TWO_VIEWS}"
        )
    return view
