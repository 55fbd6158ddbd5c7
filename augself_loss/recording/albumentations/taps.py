"""Makes albumentations' transforms say what they did, without changing what they do.

A transform gets a twin: an object of a subclass that shares its attributes, its generators too,
runs the original's methods and notes with which parameters it was applied. So a change of the
transform is a change of its twin. A twin pickles as how it is made of the transform, and so passes
to DataLoader workers under fork, forkserver and spawn.
"""

from __future__ import annotations

import functools
from abc import ABC
from collections import ChainMap
from collections.abc import Sequence
from typing import Any

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.recording.albumentations.images import seen
from augself_loss.recording.names import name_of
from augself_loss.recording.notes import note, running
from augself_loss.recording.reported import Apply, run_reporting
from augself_loss.recording.reports import Reports
from augself_loss.recording.scribes import SCRIBE, EncoderScribe
from augself_loss.recording.twins import ORIGINAL, holding, twin

WHOLE = {"expand": True}
"""A quarter turn turns the canvas too, as torchvision's does with ``expand``."""


class _Named:
    """What all twins share: they are written down in replays by the name of their original."""

    recorded: Any

    @classmethod
    def get_class_fullname(cls) -> str:
        """Name the original's class."""
        return str(cls.recorded.get_class_fullname())


class Tap(_Named):
    """Notes the parameters that a transform draws; it draws only where it is applied.

    They are noted as it fills them in, the cheapest place, and read when it is done.
    """

    _augself_scribe: EncoderScribe

    @property
    def idle(self) -> bool:
        """Whether it shall do nothing, as it was built."""
        return self._augself_scribe.idle

    def update_transform_params(self, params: dict[str, Any], data: dict[str, Any]) -> Any:
        """Note the parameters, to which what depends on the data is added in place."""
        params = super().update_transform_params(params, data)  # type: ignore[misc]
        notes = running.notes
        if notes is not None:
            scribe = self._augself_scribe
            notes.append((scribe, params, seen(data.get("image"), scribe.name)))
        return params

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        scribe = self._augself_scribe
        return tapped, (getattr(self, ORIGINAL), scribe.encoder, scribe.idle)


class _Scribe(EncoderScribe):
    """Reads a transform, of which a quarter turn turns the canvas too."""

    def __init__(self, encoder: Encoder, *args: Any, **options: Any) -> None:
        super().__init__(encoder, *args, **options)
        if encoder.moves == "turn":
            self.config = ChainMap(WHOLE, vars(self.transform))


def tapped(transform: Any, encoder: Encoder, idle: bool = False) -> Any:
    """Make the twin of a transform that notes what it does.

    Args:
        transform: it; it stays as it is.
        encoder: what reads it.
        idle: whether it shall do nothing, as it is built: its steps are looked at, not recorded.
    """
    cls: Any = type(transform)
    made = twin(transform, _tapped(cls))
    scribe = _Scribe(encoder, "albumentations", cls.__name__, transform, idle=idle)
    made._augself_scribe = scribe
    return made


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class.

    ABC among its own bases keeps albumentations from listing it as a class to restore replays by.
    """
    slots = (ORIGINAL, SCRIBE)
    return type(cls.__name__, (Tap, cls, ABC), {"__slots__": slots, "recorded": cls})


def refilled(container: Any, children: Sequence[Any]) -> Any:
    """Make the twin of a container that holds other children.

    Args:
        container: it; it stays as it is.
        children: as many as it holds.
    """
    return holding(container, "transforms", list(children), (_Named,), (ABC,))


class Reported:
    """A callable of a user's, run by the function that is registered for it.

    Args:
        transform: the callable.
        encoders: those of the record entries that it writes.
        apply: ``apply(transform, data)`` returns the data and the first encoder's columns, or
            several entries by name.
    """

    def __init__(self, transform: Any, encoders: Sequence[Encoder], apply: Apply) -> None:
        self.transform, self.apply_to = transform, apply
        self._reports = Reports(encoders)

    def __call__(self, **data: Any) -> Any:
        """Run the callable and note what it reports.

        Raises:
            PipelineError: the function or what it reports is of another form than it should be.
        """
        name = name_of(self.transform)
        size, *_ = seen(data.get("image"), name)
        result, told = run_reporting(self.apply_to, self.transform, data)
        if told is not None:
            note(Step(name, {}, {}, size), self._reports.read(name, told))
        return result
