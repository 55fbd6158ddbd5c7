"""Where transforms note what they did to an image: a list of the running thread's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeAlias

from augself_loss.encoders.base import Columns, Step
from augself_loss.recording.scribes import Scribe

Note: TypeAlias = "tuple[Scribe, Any, Any]"
"""What reads it, what a transform drew, and what is known of the image that it was given."""


class Running(threading.local):
    """What this thread is recording.

    Attributes:
        notes: what was noted of the image until here; ``None`` where nothing is recorded.
    """

    notes: list[Note] | None = None


running = Running()


class logged:  # noqa: N801 - it stands in a with statement
    """Collect the notes of the transforms called in this block, in this thread.

    A class, since a generator's context manager takes three times as long to enter and to leave,
    and every image does.
    """

    def __enter__(self) -> list[Note]:
        self._outer = running.notes
        notes: list[Note] = []
        running.notes = notes
        return notes

    def __exit__(self, *_: object) -> None:
        running.notes = self._outer


class _AsTold(Scribe):
    """Reads what was read already."""

    def told(self, drawn: Mapping[str, Columns], image: Step) -> tuple[Step, Mapping[str, Columns]]:
        return image, drawn


_as_told = _AsTold()


def note(step: Step, entries: Mapping[str, Columns]) -> None:
    """Write a step down, where :func:`logged` keeps a list.

    Args:
        step: what a transform did.
        entries: its record entries.
    """
    if running.notes is not None:
        running.notes.append((_as_told, entries, step))
