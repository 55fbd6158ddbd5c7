"""Where transforms note what they did to an image: a list of the running thread's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeAlias

from augself_loss.encoders.base import Columns, Step

Entry: TypeAlias = "tuple[Step, Mapping[str, Columns] | None]"
"""A step, and its record entries where no encoder is to read them from it."""

IDLE: Mapping[str, Columns] = {}
"""Stands for the entries of a transform that, as it was built, never changes a view."""


class _Notes(threading.local):
    steps: list[Entry] | None = None


_notes = _Notes()


class logged:  # noqa: N801 - it stands in a with statement
    """Collect the steps of the transforms called in this block, in this thread.

    A class, since a generator's context manager takes three times as long to enter and to leave,
    and every image does.
    """

    def __enter__(self) -> list[Entry]:
        self._outer = _notes.steps
        steps: list[Entry] = []
        _notes.steps = steps
        return steps

    def __exit__(self, *_: object) -> None:
        _notes.steps = self._outer


def listening() -> list[Any] | None:
    """Find this thread's list, for transforms that note what is to be read only afterwards."""
    return _notes.steps


def note(step: Step, reported: Mapping[str, Columns] | None = None) -> None:
    """Write a step down, where :func:`logged` keeps a list.

    Args:
        step: what a transform did.
        reported: its record entries, where it is not for an encoder to read them.
    """
    if _notes.steps is not None:
        _notes.steps.append((step, reported))
