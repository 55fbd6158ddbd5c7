"""A user's own classes in a torchvision pipeline that only run another pipeline."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any

from torch import nn

from augself_loss.errors import PipelineError
from augself_loss.recording.reported import TWO_VIEWS, as_given, check_one_view


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

    def forward(self, *images: Any) -> Any:
        """Run the wrapper on an image, or on what a sample consists of.

        Raises:
            PipelineError: it ran its pipeline several times, or not at all and yet changed the
                image, or it returned several views.
        """
        outer, _runs.count = _runs.count, 0
        try:
            view = self.wrapper(*images)
            runs = _runs.count
        finally:
            _runs.count = outer
        if runs > 1:
            raise PipelineError(
                f"Expected '{self.name}' to run its pipeline '{self.attribute}' once per image, "
                f"found {runs} runs. {TWO_VIEWS}"
            )
        image = as_given(images)
        check_one_view(view, image, self.name)
        if runs == 0 and not _is_unchanged(view, image):
            raise PipelineError(
                f"Expected '{self.name}' to run its pipeline '{self.attribute}' once per image, "
                "found that it did not, and returned another image. Name the attribute that it "
                "runs in wrappers=, or register how to run and read it."
            )
        return view


def _is_unchanged(view: Any, image: Any) -> bool:
    if isinstance(view, tuple) and isinstance(image, tuple) and len(view) == len(image):
        return all(map(operator.is_, view, image))
    return view is image
