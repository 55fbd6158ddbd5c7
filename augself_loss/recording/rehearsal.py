"""Finds out what an object that makes several views does with the pipelines it holds.

Its own code runs once on placeholders, which can do nothing, with stand-ins for its pipelines,
which only hand out more of them. So no image is needed and nothing is drawn, and what comes back
proves that the object passes images and views on and does nothing else with them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from augself_loss.errors import PipelineError
from augself_loss.recording.cast import GIVE_PIPELINES, Cast, on_stage, place_of

GENERATORS = (random.Random, np.random.RandomState, np.random.Generator, torch.Generator)


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


def rehearse(cast: Cast) -> Script:
    """Find out which views an object makes of which pipelines; random states stay as they are.

    Args:
        cast: the object's pipelines.

    Raises:
        PipelineError: it holds none, draws at random itself, does more with images and views than
            passing them on, or returns no list of at least two views.
    """
    name = type(cast.holder).__name__
    if isinstance(cast.holder, type):
        own = cast.holder.__name__
        raise PipelineError(
            f"ViewsRecorder expected an object that makes views, found the class '{own}'. Create "
            f"an object: ViewsRecorder({own}(...))."
        )
    if not cast.pipelines:
        raise PipelineError(
            "ViewsRecorder expected an object with its pipelines in attributes, found "
            f"'{getattr(cast.holder, '__name__', name)}' without any. {GIVE_PIPELINES}"
        )
    rehearsal = _Rehearsal(name)
    twin = cast.twin(_replica(cast.holder))
    with _random_states_kept(name), on_stage(rehearsal.run):
        try:
            returned = twin(rehearsal.images[0])
        except PipelineError:
            raise
        except Exception as error:
            raise PipelineError(
                f"Expected '{name}' to run its pipelines on the image and to return their views "
                "unchanged, found that it does more, or needs more than an image: "
                f"{type(error).__name__}: {error}. {GIVE_PIPELINES}"
            ) from error
    return Script(tuple(rehearsal.calls), _views(returned, rehearsal.images, name))


class _Rehearsal:
    """Writes down what an object calls, and hands out placeholders.

    Args:
        name: of the object's class.

    Attributes:
        images: placeholders for the image, and for what every call returned.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.images: list[Any] = [_Placeholder()]

    def run(self, number: int, given: Any) -> Any:
        """Stand in for a pipeline.

        Raises:
            PipelineError: it is given neither the image nor another one's view.
        """
        place = place_of(given, self.images)
        if place is None:
            raise PipelineError(
                f"Expected '{self.name}' to pass its pipelines the image, or the output of "
                f"another one, found {type(given).__name__}. {GIVE_PIPELINES}"
            )
        self.calls.append(Call(number, place - 1 if place else None))
        self.images.append(_Placeholder())
        return self.images[-1]


def _views(returned: Any, images: Sequence[Any], name: str) -> tuple[int, ...]:
    """Find the call that made each of the views that an object returned."""
    listed = list(returned) if isinstance(returned, (list, tuple)) else [returned]
    places = [place_of(view, images) for view in listed]
    made = [place - 1 for place in places if place]
    if len(made) == len(listed) >= 2:
        return tuple(made)
    if len(made) == len(listed) == 1:
        found = "one view; for two of them use MultiViewRecorder(TorchvisionRecorder(pipeline))"
    elif 0 in places:
        found = "the image itself"
    elif len(listed) < 2:
        found = f"a {type(returned).__name__}"
    else:
        strange = listed[places.index(None)]
        found = f"a {type(strange).__name__} that none of them made"
    raise PipelineError(
        f"Expected '{name}' to return a list or tuple of at least two views, unchanged from its "
        f"pipelines, found {found}. {_in_one_list(returned, images) or GIVE_PIPELINES}"
    )


def _in_one_list(returned: Any, images: Sequence[Any]) -> str:
    """Say how to return views in one list that lie deeper, each once; empty if none do."""
    if not isinstance(returned, (Mapping, list, tuple)):
        return ""
    entries = returned.items() if isinstance(returned, Mapping) else enumerate(returned)
    seen: list[int] = []
    found = []
    for key, entry in entries:
        views = entry if isinstance(entry, (list, tuple)) else [entry]
        calls = [place_of(view, images) for view in views]
        if all(calls) and calls and not any(call in seen for call in calls):
            seen += [call for call in calls if call]
            found.append(f"{'*' * (views is entry)}made[{key!r}]")
    if len(seen) < 2:
        return ""
    return (
        "Return them in one list, from a subclass: made = super().__call__(image); "
        f"return [{', '.join(found)}]."
    )


class _Placeholder:
    """Stands for an image: it can be passed on, and nothing else."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("whether an image is true was asked")


def _replica(holder: Any) -> Any:
    """Copy an object as far as its own code may change it when it is called.

    Generators of its own are left out: if it draws from them itself, it is refused.
    """
    cls: Any = type(holder)
    replica = cls.__new__(cls)
    attributes: dict[str, Any] = {}
    for name, value in vars(holder).items():
        if isinstance(value, GENERATORS):
            attributes[name] = _Placeholder()
        else:
            attributes[name] = value.copy() if isinstance(value, (list, dict, set)) else value
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
            f"Expected '{name}' to leave all randomness to its pipelines, found that it draws "
            f"from {' and '.join(drawn)} itself, which no record holds. {GIVE_PIPELINES}"
        )


def _random_states() -> tuple[Any, Any, torch.Tensor]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()
