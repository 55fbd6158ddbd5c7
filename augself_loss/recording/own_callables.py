"""Callables of a user's own in a torchvision pipeline: those registered, and those that wrap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.transforms.v2.functional import get_size

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision_taps import Apply, note

TWO_VIEWS = (
    "A record is that of one view: let the wrapper make one, or give its pipeline to "
    "MultiViewRecorder(TorchvisionRecorder(pipeline), views=2), which makes several views and a "
    "record of each."
)


class Reported(nn.Module):
    """A user's own callable, run by the function that was registered for it.

    Args:
        transform: the callable.
        encoder: that of the record entry that it writes.
        apply: runs it and reports its columns.
    """

    def __init__(self, transform: Any, encoder: Encoder, apply: Apply) -> None:
        super().__init__()
        self.transform, self.encoder, self.apply_to = transform, encoder, apply

    def forward(self, image: Any) -> Any:
        """Run the callable and note what it reports."""
        height, width = get_size(image)
        view, columns = self.apply_to(self.transform, image)
        name = type(self.transform).__name__
        if columns is not None:
            check_reported(name, self.encoder, columns)
            step = Step(name, {}, {}, (height, width))
            note(step, {self.encoder.name: tuple(columns)})
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


class _Runs(threading.local):
    count: int = 0


_runs = _Runs()


class Counted(nn.Module):
    """The pipeline inside of a wrapper, whose runs are counted.

    Args:
        pipeline: it, wired.
    """

    def __init__(self, pipeline: Callable[[Any], Any]) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, *images: Any, **options: Any) -> Any:
        """Run it."""
        _runs.count += 1
        return self.pipeline(*images, **options)


class Wrapped(nn.Module):
    """A user's own class that runs another pipeline: once per image, or its record is refused.

    Args:
        wrapper: it, holding a :class:`Counted` pipeline.
        attribute: where it holds that.
        name: its class's name.
    """

    def __init__(self, wrapper: Any, attribute: str, name: str) -> None:
        super().__init__()
        self.wrapper, self.attribute, self.name = wrapper, attribute, name

    def forward(self, image: Any) -> Any:
        """Run the wrapper.

        Raises:
            PipelineError: it ran its pipeline several times, or not at all and yet changed the
                image, or it returned several views.
        """
        outer, _runs.count = _runs.count, 0
        try:
            view = self.wrapper(image)
            runs = _runs.count
        finally:
            _runs.count = outer
        if runs > 1:
            raise PipelineError(
                f"'{self.name}' expected to run its pipeline '{self.attribute}' once per image, "
                f"found {runs} runs. {TWO_VIEWS}"
            )
        check_one_view(view, image, self.name)
        if runs == 0 and view is not image:
            raise PipelineError(
                f"'{self.name}' expected to run its pipeline '{self.attribute}' once per image, "
                "found that it did not, and returned another image: what it did is not known. Name "
                "the attribute that it runs in wrappers=, or register how to run and read it."
            )
        return view
