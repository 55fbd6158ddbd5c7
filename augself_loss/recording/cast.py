"""The pipelines that an object holds, and its twin that holds stand-ins for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch import nn

from augself_loss.errors import PipelineError
from augself_loss.recording.follow import BOOKKEEPING, Children
from augself_loss.recording.twins import held_by, holding_each, in_form_of

Run: TypeAlias = Callable[[int, Any], Any]
"""``run(number of a pipeline, what it is given) → what it returns``."""


class Cast:
    """The pipelines that an object holds in its attributes: alone, in lists, tuples or mappings.

    Args:
        holder: the object; it stays as it is.

    Attributes:
        pipelines: each once, by number.
        watches: which of them every attribute held.
    """

    def __init__(self, holder: Any) -> None:
        self.holder = holder
        names = _attributes(holder)
        self._names = [name for name in names if any(map(_runs, held_by(holder, name)))]
        held = [child for name in self._names for child in held_by(holder, name)]
        self.pipelines = list({id(child): child for child in held if _runs(child)}.values())
        self.watches = [Children(holder, name, held_by(holder, name)) for name in self._names]

    def twin(self, holder: Any = None) -> Any:
        """Make a twin of the object, in which a :class:`StandIn` is in every pipeline's place.

        Args:
            holder: a copy of the object, if the twin shall share that one's attributes.
        """
        cls = type(self.holder).__name__
        filled = {}
        for name in self._names:
            places = [place_of(child, self.pipelines) for child in held_by(self.holder, name)]
            held = zip(places, held_by(self.holder, name), strict=True)
            children = [child if at is None else StandIn(at, cls) for at, child in held]
            filled[name] = in_form_of(getattr(self.holder, name), children)
        return holding_each(self.holder if holder is None else holder, filled)


class _Stage(threading.local):
    run: Run | None = None


_stage = _Stage()


@contextmanager
def on_stage(run: Run) -> Iterator[None]:
    """Let ``run`` say what this thread's :class:`StandIn` objects do."""
    outer, _stage.run = _stage.run, run
    try:
        yield
    finally:
        _stage.run = outer


class StandIn:
    """Stands in a twin of an object for one of the pipelines that it holds.

    Args:
        number: the pipeline's.
        holder: name of the object's class.
    """

    def __init__(self, number: int, holder: str) -> None:
        self.number, self.holder = number, holder

    def __call__(self, *images: Any, **options: Any) -> Any:
        """Run the pipeline, or what is on stage in its place.

        Raises:
            PipelineError: called with more than an image, or in a thread of its own.
        """
        if _stage.run is None or len(images) != 1 or options:
            found = f"{len(images)} arguments" if _stage.run is not None else "another thread"
            raise PipelineError(
                f"Expected '{self.holder}' to call its pipelines with the image alone, in the "
                f"caller's thread, found {found}. {GIVE_PIPELINES}"
            )
        return _stage.run(self.number, images[0])


GIVE_PIPELINES = (
    "Move everything else into the pipelines, or before the recorder. Or pass the pipelines "
    "themselves, one per view: MultiViewRecorder([TorchvisionRecorder(pipeline1), "
    "TorchvisionRecorder(pipeline2)])."
)


def place_of(one: Any, among: Sequence[Any]) -> int | None:
    """Find where an object itself stands among others."""
    return next((place for place, other in enumerate(among) if other is one), None)


def _attributes(holder: Any) -> list[str]:
    """Name what may hold pipelines: an object's attributes, of a module also its modules."""
    if isinstance(holder, nn.Module):
        names = [*vars(holder), *holder._modules]
        return [name for name in names if name not in BOOKKEEPING]
    return list(getattr(holder, "__dict__", ()))


def _runs(held: Any) -> bool:
    """Whether an object that is held may be a pipeline."""
    return callable(held) and not isinstance(held, type)
