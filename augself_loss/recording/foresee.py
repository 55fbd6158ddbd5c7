"""Says what a transform is about to draw from a global generator, and leaves that as it is.

Some transforms keep what they draw to themselves. A copy of the generator is then drawn from as the
transform does; that both stand at the same place afterwards proves that it drew just so.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError

Draw: TypeAlias = "Callable[[Any, Any], Columns | None]"
"""``draw(transform, generator)`` → the columns; ``None`` where the transform will do nothing."""


class Source(NamedTuple):
    """A global generator that transforms draw from.

    Args:
        ahead: gives a generator of this thread that stands where the global one does.
        agrees: whether the global one has come to stand where that one does.
    """

    ahead: Callable[[], Any]
    agrees: Callable[[Any], bool]


class _Ahead(threading.local):
    """Generators of this thread, made once: a new one would cost more than what it draws."""

    def __init__(self) -> None:
        self.python, self.numpy = random.Random(), np.random.RandomState()


_ahead = _Ahead()


def _python_ahead() -> random.Random:
    _ahead.python.setstate(random.getstate())
    return _ahead.python


def _numpy_ahead() -> np.random.RandomState:
    _ahead.numpy.set_state(np.random.get_state())
    return _ahead.numpy


def _numpy_place(generator: Any) -> int:
    return int(generator.get_state(legacy=False)["state"]["pos"])


PYTHON = Source(_python_ahead, lambda ahead: bool(ahead.getstate() == random.getstate()))
"""What the functions of ``random`` draw from."""
NUMPY = Source(_numpy_ahead, lambda ahead: _numpy_place(ahead) == _numpy_place(np.random))
"""What the functions of ``numpy.random`` draw from."""


def foreseen(
    transform: Any, image: Any, draw: Draw, source: Source, versions: str
) -> tuple[Any, Columns | None]:
    """Draw what a transform will draw, then run it unchanged.

    Args:
        transform: what draws.
        image: what it is given.
        draw: draws as it does.
        source: the generator that it draws from.
        versions: of its library, those in which it draws so.

    Returns:
        The view, and what was drawn: the columns, ``None`` where nothing was applied.

    Raises:
        PipelineError: it drew otherwise.
    """
    ahead = source.ahead()
    columns = draw(transform, ahead)
    view = transform(image)
    if not source.agrees(ahead):
        raise PipelineError(
            f"Expected '{type(transform).__name__}' to draw the random numbers that it draws in "
            f"{versions}, found others: this version is unknown. Leave it out of the record with "
            "ignore=[...], or register how to read it."
        )
    return view, columns
