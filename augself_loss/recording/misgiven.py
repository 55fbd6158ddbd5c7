"""Says what to do with what was given in the place of a transform that can be recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORDERS: Mapping[str, str] = {
    "albumentations": "AlbumentationsRecorder",
    "kornia": "KorniaRecorder",
    "torchvision": "TorchvisionRecorder",
}
"""Libraries, by the package that their transforms are of, and what records them."""


def cure_of(given: Any, composed: str) -> str | None:
    """Say what to do with something that is no transform at all; ``None`` if it may be one.

    Args:
        given: a transform, or anything else.
        composed: how several transforms are made one, as Python writes it.

    Example:
        >>> cure_of(dict, "Compose(...)"), cure_of(print, "Compose(...)")
        ('It is a class. Pass an object of it: dict(...).', None)
    """
    if given is None:
        return "Pass a pipeline."
    if isinstance(given, type):
        return f"It is a class. Pass an object of it: {given.__name__}(...)."
    if isinstance(given, (list, tuple)):
        return f"Make one pipeline of what it holds: {composed}."
    if hasattr(given, "layout") and hasattr(given, "encoders"):
        return "It is a recorder already. Use it alone, or pass its pipeline."
    return None


def cure_of_moving(reading: str, ignoring: str) -> str:
    """Say what to do with an unknown transform that may move pixels.

    Args:
        reading: how a user tells the recorder to read it.
        ignoring: how a user leaves it out of the record.
    """
    return (
        "It may move pixels: boxes and angles recorded beside it are then wrong. Take it out, or "
        f"{reading}. If you predict neither, leave it out of the record with {ignoring}."
    )


def other_recorder(given: Any, recorder: str) -> str:
    """Say which recorder records another library's transform; nothing if it is none.

    Args:
        given: a transform.
        recorder: the name of the recorder that it was given to.
    """
    library = type(given).__module__.split(".")[0]
    other = RECORDERS.get(library, recorder)
    return "" if other == recorder else f" Transforms of {library} are recorded by {other}."
