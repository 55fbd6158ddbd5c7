"""Records what a pipeline of MMPretrain's transforms did to an image, in DataLoader workers too.

A transform's class is swapped for a subclass that calls the original and notes what its drawing
methods returned, in a thread-local log. The subclasses pickle as (original class, state).
"""

from __future__ import annotations

import copy
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch

from augself_loss.adapters.mmpretrain.host import (
    BaseTransform,
    Compose,
    get_object_from_string,
    mmcv_transforms,
)
from augself_loss.adapters.mmpretrain.transforms import FIXED, READINGS, UNSEEN, Entries, Size
from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import NothingVariesError, PipelineError
from augself_loss.parameters import Layout, Record, unpack
from augself_loss.recording.catalogue import Catalogue, layout_of, unite
from augself_loss.recording.journal import Journal
from augself_loss.recording.plan import Branch, Leaf, Node, check_plan, leaves

Apply: TypeAlias = Callable[[Any, "dict[str, Any]"], "tuple[dict[str, Any], Columns | None]"]
"""``apply(transform, results) → (results, columns)``; ``None`` where nothing was applied."""
Own: TypeAlias = "tuple[Encoder, Apply]"

CONTAINERS: Mapping[type, Any] = {
    Compose: "sequence",
    mmcv_transforms.RandomApply: "sequence",
    mmcv_transforms.RandomChoice: "one_of",
}


class MMRecorder:
    """Runs a pipeline of MM transforms on a ``results`` dict and returns image and record.

    The image is bit for bit that of the pipeline alone under the same seeds of NumPy, ``random``
    and torch. The recorder works on a copy of the pipeline and pickles with it.

    Args:
        pipeline: transforms that are built, a list or a ``Compose`` of them.
        register: for random transforms that are not known: class name → ``(encoder, apply)``, or
            the dotted name under which both are found; ``apply(transform, results)`` returns the
            results and the encoder's columns, ``None`` where nothing was applied.
        ignore: names of classes whose randomness shall not be recorded.
        types: types to record even if this pipeline never applies them (as the identity).

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: a random transform that is not known, or an order that no record can tell.

    Example:
        >>> import numpy as np
        >>> from mmcv.transforms import RandomFlip
        >>> recorder = MMRecorder([RandomFlip(prob=1.0)])
        >>> image, record = recorder({"img": np.zeros((8, 8, 3), np.uint8)})
        >>> record
        {'flip': tensor([1.])}
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        register: Mapping[str, Own | str] | None = None,
        ignore: Iterable[str] = (),
        types: Iterable[str] = (),
    ) -> None:
        own = {name: _own(name, given) for name, given in (register or {}).items()}
        self._catalogue = Catalogue("torchvision", [encoder for encoder, _ in own.values()])
        whole = Compose(list(getattr(pipeline, "transforms", pipeline)))
        self.transform, plan = _Wiring(own, frozenset(ignore)).wire(copy.deepcopy(whole))
        check_plan(plan)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, list(types))
        self.encoders: tuple[Encoder, ...] = tuple(found.values())

    def __call__(self, results: dict[str, Any]) -> tuple[Any, Record]:
        """Augment one image.

        Args:
            results: what MM transforms pass on, with the image ``(H, W, C)`` as ``img``; it is
                left as it is.

        Returns:
            The view, and its record: entries ``(columns,)`` float32 without a batch axis.
        """
        with _logged() as steps:
            view = self.transform(copy.deepcopy(results))["img"]
        if not self.layout:
            return view, {}
        journal = Journal(self.layout, self._catalogue.encoders)
        for step, entries in steps:
            journal.add(step, entries)
        flat = [float(value) for entry in journal.settle().values() for value in entry]
        return view, unpack(torch.tensor(flat, dtype=torch.float32), self.layout)


class _Wiring:
    """Makes the transforms of a pipeline note what they do, in place."""

    def __init__(self, own: Mapping[str, Own], ignore: frozenset[str]) -> None:
        self.own, self.ignore = own, ignore
        self._random: list[str] = []

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return what stands in for a transform, and the plan of what it holds."""
        cls: Any = type(transform)
        name: str = cls.__name__
        nothing = Branch("sequence", ())
        if name in self.ignore:
            return transform, nothing
        if name in self.own:
            encoder, apply = self.own[name]
            return _Reported(transform, encoder.name, apply), Leaf(name, encoder)
        if cls in CONTAINERS:
            self._random += [name] if cls is not Compose else []
            wired = [self.wire(child) for child in transform.transforms]
            self._random = self._random[:-1] if cls is not Compose else self._random
            children = [child for child, _ in wired]
            inner = transform.transforms
            transform.transforms = Compose(children) if isinstance(inner, Compose) else children
            return transform, Branch(CONTAINERS[cls], [plan for _, plan in wired])
        if cls in READINGS:
            encoders = _encoders(transform)
            if encoders:
                transform.__class__ = _tapped(cls)
            return transform, Branch("sequence", [Leaf(name, encoder) for encoder in encoders])
        if name in FIXED and cls.__module__.startswith(("mmcv.", "mmpretrain.")):
            self._check_fixed(name)
            return transform, nothing
        raise PipelineError(
            f"RecordedMultiView does not know '{name}' and cannot say what it did to a view. Say "
            f"how to run and read it (register=dict({name}='package.module.name'), the name of a "
            f"tuple (encoder, apply)), or leave it out of the record on purpose "
            f"(ignore=['{name}'])."
        )

    def _check_fixed(self, name: str) -> None:
        """Refuse a fixed transform that a container applies at random."""
        if self._random and name not in UNSEEN:
            raise PipelineError(
                f"'{name}' is applied at random by '{self._random[-1]}', and no record entry tells "
                "whether. Put it outside, where it always runs, or leave it out of the record on "
                f"purpose (ignore=['{name}'])."
            )


def _own(name: str, given: Own | str) -> Own:
    """Find what a user registered for a transform of their own."""
    found: Any = given
    if isinstance(given, str):
        try:
            found = get_object_from_string(given)
        except (ImportError, ValueError):
            found = None
    pair = isinstance(found, tuple) and len(found) == 2
    if not (pair and isinstance(found[0], Encoder) and callable(found[1])):
        raise PipelineError(
            f"register expected (encoder, apply) for '{name}', or the dotted name of such a tuple "
            f"in a module that can be imported, found {given!r}."
        )
    return found[0], found[1]


def _encoders(transform: Any) -> list[Encoder]:
    """Build the encoders of a transform; none where it never changes a view."""
    try:
        return list(READINGS[type(transform)].encoders(transform))
    except NothingVariesError:
        return []


class _Log(threading.local):
    steps: list[tuple[Step, Entries]] | None = None
    drawn: dict[str, Any] | None = None


_log = _Log()


@contextmanager
def _logged() -> Iterator[list[tuple[Step, Entries]]]:
    """Collect the steps of the transforms called in this block, in this thread."""
    outer, _log.steps = _log.steps, []
    try:
        yield _log.steps
    finally:
        _log.steps = outer


def _note(name: str, entries: Entries, size: Size) -> None:
    if _log.steps is not None and entries:
        _log.steps.append((Step(name, {}, {}, size), entries))


class _Tap:
    """What all recording subclasses share: the original class, and how they pickle."""

    recorded: type

    def transform(self, results: dict[str, Any]) -> Any:
        height, width = results["img"].shape[:2]
        outer, _log.drawn = _log.drawn, {}
        try:
            done = super().transform(results)  # type: ignore[misc]
            drawn = _log.drawn
        finally:
            _log.drawn = outer
        cls = type(self).recorded
        _note(cls.__name__, READINGS[cls].entries(self, drawn, (height, width)), (height, width))
        return done

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self).recorded, vars(self))


class _Reported(BaseTransform):  # type: ignore[misc]
    """A user's own transform, run by the function that was registered for it."""

    def __init__(self, transform: Any, entry: str, apply: Apply) -> None:
        self.inner, self.entry, self.apply_to = transform, entry, apply

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results["img"].shape[:2]
        done, columns = self.apply_to(self.inner, results)
        if columns is not None:
            _note(type(self.inner).__name__, {self.entry: tuple(columns)}, (height, width))
        return done


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class."""
    names = getattr(cls, "_methods_with_randomness", ())
    methods = {name: _noting(cls, name) for name in names}
    return type(cls.__name__, (_Tap, cls), {"recorded": cls, **methods})


def _noting(cls: Any, name: str) -> Callable[..., Any]:
    """Wrap a drawing method; MMCV's are descriptors that bind to one instance at a time."""
    drawing = inspect.getattr_static(cls, name)

    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        value = drawing.__get__(self, cls)(*args, **kwargs)
        if _log.drawn is not None:
            _log.drawn[name] = value
        return value

    return draw


def _restore(cls: type, state: Mapping[str, Any]) -> Any:
    """Rebuild a recording transform from its pickle."""
    tapped = _tapped(cls)
    transform = tapped.__new__(tapped)
    transform.__dict__.update(state)
    return transform
