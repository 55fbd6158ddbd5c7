"""What reads the notes of transforms: a step, its record entries, or a part of a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Reader, Step
from augself_loss.encoders.in_place import InPlace, Starts
from augself_loss.encoders.step import Seen
from augself_loss.errors import PipelineError
from augself_loss.recording.catalogue import Host
from augself_loss.recording.rows import Row, write

SCRIBE = "_augself_scribe"
"""Slot in which a transform's twin keeps what reads its notes."""


class Scribe(ABC):
    """Reads what a transform noted."""

    @abstractmethod
    def told(self, drawn: Any, image: Any) -> tuple[Step, Mapping[str, Columns]]:
        """Read a note: the step, and its record entries.

        Args:
            drawn: what the transform drew, in whatever form it was noted.
            image: what is known of the image that it was given.
        """

    def write(self, row: Row, starts: Starts, drawn: Any, image: Any) -> None:
        """Write what a note says into a row, where nothing that comes later changes it.

        Args:
            row: its columns so far.
            starts: where its entries begin.
            drawn: as :meth:`told` takes it.
            image: likewise.
        """
        write(row, starts, self.told(drawn, image)[1])


class EncoderScribe(Scribe):
    """Reads a transform by an encoder.

    Args:
        encoder: reads it.
        host: whose names it reads.
        name: the transform's name there.
        transform: it; changes of its attributes are seen.
        idle: whether it shall do nothing, as it was built: its steps are looked at, not recorded.
    """

    def __init__(
        self, encoder: Encoder, host: Host, name: str, transform: Any, *, idle: bool = False
    ) -> None:
        self.encoder, self.host, self.name = encoder, host, name
        self.transform, self.idle = transform, idle
        self.config: Mapping[str, Any] = vars(transform)
        self._read: Reader = getattr(encoder, host)[name]
        in_place = isinstance(self._read, InPlace) and not idle
        self._place = self._read.place if in_place else None

    def told(self, drawn: Mapping[str, Any], image: Seen) -> tuple[Step, Mapping[str, Columns]]:
        """Read a note; refuse it where the transform should have done nothing.

        Args:
            drawn: what was sampled, under the host's names.
            image: the image that it was given.

        Raises:
            PipelineError: as it was built, it never changes a view, and now did.
        """
        step = Step(self.name, drawn, self.config, *image)
        entries: Mapping[str, Columns] = self._read(step)
        if self.idle:
            self._check_idle(step, entries)
            return step, {}
        return step, entries

    def write(self, row: Row, starts: Starts, drawn: Any, image: Any) -> None:
        """Write what a note says into a row, without a dict between where its reader can."""
        if self._place is None:
            write(row, starts, self.told(drawn, image)[1])
        else:
            self._place(row, starts, drawn, image)

    def _check_idle(self, step: Step, entries: Mapping[str, Columns]) -> None:
        name = self.encoder.name
        columns, identity = entries[name], self.encoder.identity
        if any(v is not None and v != i for v, i in zip(columns, identity, strict=True)):
            raise PipelineError(
                f"Expected '{step.name}' to leave views unchanged, as when its recorder was made, "
                f"found that it set '{name}' to {columns}. Convert the images to uint8 before it, "
                f"or leave it out of the record with ignore=[{step.name}]."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # What reads may be a lambda; the transform's attributes are those of its own copy.
        return _again, (type(self), self.encoder, self.host, self.name, self.transform, self.idle)


def _again(
    kind: type[EncoderScribe], encoder: Encoder, host: Host, name: str, transform: Any, idle: bool
) -> EncoderScribe:
    return kind(encoder, host, name, transform, idle=idle)
