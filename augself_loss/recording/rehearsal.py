"""Finds out what an object that makes several views does with the pipelines it holds.

Its own code runs once on tokens, which can do nothing, with stand-ins for its pipelines, which only
hand out more of them. So no image is needed and nothing is drawn, and what comes back proves that
the object passes images and views on and does nothing else with them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import nn

from augself_loss.errors import PipelineError
from augself_loss.recording.follow import BOOKKEEPING, Children
from augself_loss.recording.twins import held_by, holding_each, in_form_of

Run: TypeAlias = Callable[[int, Any], Any]
"""``run(number of a pipeline, what it is given) → what it returns``."""


class Call(NamedTuple):
    """One call of a held pipeline.

    Args:
        pipeline: its number.
        source: the earlier call whose view it is given; ``None`` where that is the image.
    """

    pipeline: int
    source: int | None


class Script(NamedTuple):
    """What an object does for every image.

    Args:
        calls: of pipelines, in order.
        views: per view that it returns, the call that makes it.
    """

    calls: tuple[Call, ...]
    views: tuple[int, ...]

    def chain(self, call: int) -> tuple[int, ...]:
        """List the calls that make a view of the image, one on the other's."""
        source = self.calls[call].source
        return (call,) if source is None else (*self.chain(source), call)


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
            places = [_place(child, self.pipelines) for child in held_by(self.holder, name)]
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
            found = f"{len(images)} arguments" if _stage.run is not None else "a thread of its own"
            raise PipelineError(
                f"'{self.holder}' expected to call its pipelines with the image alone, in the "
                f"thread that it was called in, found {found}. {GIVE_PIPELINES}"
            )
        return _stage.run(self.number, images[0])


GIVE_PIPELINES = (
    "Move what it does beside into the pipelines, or before the recorder; or give the pipelines "
    "themselves, one per view: MultiViewRecorder([TorchvisionRecorder(pipeline1), "
    "TorchvisionRecorder(pipeline2)])."
)


def rehearse(cast: Cast) -> Script:
    """Find out which views an object makes of which pipelines; random states stay as they are.

    Args:
        cast: the object's pipelines.

    Raises:
        PipelineError: it holds none, draws at random itself, does more with images and views than
            passing them on, or returns no list of at least two views.
    """
    name = type(cast.holder).__name__
    if not cast.pipelines:
        raise PipelineError(
            f"ViewsRecorder expected an object that holds its pipelines in attributes, found "
            f"'{getattr(cast.holder, '__name__', name)}' without one. {GIVE_PIPELINES}"
        )
    calls: list[Call] = []
    tokens: list[Any] = [_Token()]  # the image, and what every call returned

    def run(number: int, given: Any) -> Any:
        source = _place(given, tokens)
        if source is None:
            raise PipelineError(
                f"'{name}' expected to give its pipelines the image, or what another of them "
                f"returned, found {type(given).__name__}. {GIVE_PIPELINES}"
            )
        calls.append(Call(number, source - 1 if source else None))
        tokens.append(_Token())
        return tokens[-1]

    twin = cast.twin(_replica(cast.holder))
    with _random_states_kept(name), on_stage(run):
        try:
            returned = twin(tokens[0])
        except PipelineError:
            raise
        except Exception as error:
            raise PipelineError(
                f"'{name}' expected to run its pipelines on the image and to return their views as "
                f"they are, found that it does more, or cannot be called with an image alone: "
                f"{type(error).__name__}: {error}. {GIVE_PIPELINES}"
            ) from error
    return Script(tuple(calls), _views(returned, tokens, name))


def _views(returned: Any, tokens: Sequence[Any], name: str) -> tuple[int, ...]:
    """Find the call that made each of the views that an object returned."""
    listed = list(returned) if isinstance(returned, (list, tuple)) else [returned]
    places = [_place(view, tokens) for view in listed]
    made = [place - 1 for place in places if place]
    if len(made) == len(listed) >= 2:
        return tuple(made)
    if len(made) == len(listed) == 1:
        found = "one view, of which MultiViewRecorder(TorchvisionRecorder(pipeline)) would make two"
    elif 0 in places:
        found = "the image itself"
    elif len(listed) < 2:
        found = f"a {type(returned).__name__}"
    else:
        strange = listed[places.index(None)]
        found = f"a {type(strange).__name__} among them that none of them made"
    raise PipelineError(
        f"'{name}' expected to return a list or tuple of at least two views, each just as one of "
        f"its pipelines made it, found {found}. {GIVE_PIPELINES}"
    )


class _Token:
    """Stands for an image: it can be passed on, and nothing else."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("whether an image is true was asked")


def _place(one: Any, among: Sequence[Any]) -> int | None:
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


def _replica(holder: Any) -> Any:
    """Copy an object as far as its own code may change it when it is called."""
    cls: Any = type(holder)
    replica = cls.__new__(cls)
    containers = (list, dict, set)
    attributes = {
        name: value.copy() if isinstance(value, containers) else value
        for name, value in vars(holder).items()
    }
    object.__setattr__(replica, "__dict__", attributes)
    return replica


@contextmanager
def _random_states_kept(name: str) -> Iterator[None]:
    """Put the random states back afterwards, and refuse that they were drawn from.

    Raises:
        PipelineError: they were.
    """
    before = _random_states()
    try:
        yield
        after = _random_states()
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
    drawn = [
        library
        for library, same in (
            ("random", before[0] == after[0]),
            ("numpy", all(map(np.array_equal, before[1], after[1]))),
            ("torch", torch.equal(before[2], after[2])),
        )
        if not same
    ]
    if drawn:
        raise PipelineError(
            f"'{name}' expected to leave all that is random to its pipelines, found that it draws "
            f"from {' and '.join(drawn)} itself, which no record can tell. {GIVE_PIPELINES}"
        )


def _random_states() -> tuple[Any, Any, torch.Tensor]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()
