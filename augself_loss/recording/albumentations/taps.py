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
from collections.abc import Mapping, Sequence
from typing import Any

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.recording.albumentations.images import seen
from augself_loss.recording.notes import IDLE, Entry, listening, note
from augself_loss.recording.reported import Apply, Reports
from augself_loss.recording.twins import ORIGINAL, holding, twin

ENCODER = "_augself_encoder"
"""Slot in which a twin keeps the encoder that reads it; ``None`` where it shall do nothing."""
CONFIG = "_augself_config"
"""Slot in which it keeps how the transform is built."""
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

    _augself_encoder: Encoder | None
    _augself_config: Mapping[str, Any]

    @property
    def idle(self) -> bool:
        """Whether it shall do nothing, as it was built."""
        return self._augself_encoder is None

    def update_transform_params(self, params: dict[str, Any], data: dict[str, Any]) -> Any:
        """Note the parameters, to which what depends on the data is added in place."""
        params = super().update_transform_params(params, data)  # type: ignore[misc]
        steps = listening()
        if steps is not None:
            steps.append((self, params, data.get("image")))
        return params

    def read(self, params: dict[str, Any], image: Any) -> Entry:
        """Read what was noted: the step, and its record entries."""
        encoder, name = self._augself_encoder, type(self).__name__
        step = Step(name, params, self._augself_config, *seen(image, name))
        return step, IDLE if encoder is None else encoder.albumentations[name](step)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return tapped, (getattr(self, ORIGINAL), self._augself_encoder)


def tapped(transform: Any, encoder: Encoder | None) -> Any:
    """Make the twin of a transform that notes what it does.

    Args:
        transform: it; it stays as it is.
        encoder: what reads it; ``None`` where, as it is built, it shall do nothing: its steps are
            looked at, not recorded.
    """
    cls: Any = type(transform)
    made = twin(transform, _tapped(cls))
    turns = encoder is not None and encoder.moves == "turn"
    made._augself_encoder = encoder
    made._augself_config = ChainMap(WHOLE, vars(transform)) if turns else vars(transform)
    return made


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class.

    ABC among its own bases keeps albumentations from listing it as a class to restore replays by.
    """
    slots = (ORIGINAL, ENCODER, CONFIG)
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
        """Run the callable and note what it reports."""
        name = type(self.transform).__name__
        size, *_ = seen(data.get("image"), name)
        result, told = self.apply_to(self.transform, data)
        if told is not None:
            note(Step(name, {}, {}, size), self._reports.read(name, told))
        return result
