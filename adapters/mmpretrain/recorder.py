"""Records what a pipeline of MMPretrain's transforms did to an image, in DataLoader workers too.

A transform gets a twin, an object of a subclass that calls the original's methods and notes what
its drawing methods returned.
"""

from __future__ import annotations

import copy
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from augself_loss.adapters.mmpretrain.host import Compose, get_object_from_string, mmcv_transforms
from augself_loss.adapters.mmpretrain.transforms import DRAWN, FIXED, UNSEEN
from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import NothingVariesError, PipelineError
from augself_loss.parameters import Record
from augself_loss.recording.notes import note
from augself_loss.recording.plan import NOTHING, Branch, Leaf, Node
from augself_loss.recording.recorder import CallableRecorder
from augself_loss.recording.reported import Size
from augself_loss.recording.twins import ORIGINAL, held_by, refilled, twin
from augself_loss.recording.walk import Walk

Apply: TypeAlias = Callable[[Any, "dict[str, Any]"], "tuple[dict[str, Any], Columns | None]"]
"""``apply(transform, results) → (results, columns)``; ``None`` where nothing was applied."""
Own: TypeAlias = "tuple[Encoder, Apply]"

CONTAINERS: Mapping[type, Any] = {
    Compose: "sequence",
    mmcv_transforms.RandomApply: "sequence",
    mmcv_transforms.RandomChoice: "one_of",
}


class _Wiring(Walk):
    """Knows MMCV's and MMPretrain's transforms; a user names theirs, as configs do."""

    recorder = "RecordedMultiView"
    registering = (
        "register=dict({name}='package.module.name'), the name of a tuple (encoder, apply)"
    )
    ignoring = "ignore=['{name}']"

    def is_ignored(self, transform: Any) -> bool:
        """Whether its class's name is among those that the user leaves out."""
        return type(transform).__name__ in self.ignore

    def registered(self, transform: Any) -> Own | None:
        """Find how the user wants transforms of its class's name read."""
        return self.register.get(type(transform).__name__)

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire one of MMCV's or MMPretrain's transforms, or refuse it."""
        cls, name = type(transform), type(transform).__name__
        if cls in CONTAINERS:
            with self.inside(None if cls is Compose else name):
                wired = [self.wire(child) for child in held_by(transform, "transforms")]
            plan = Branch(CONTAINERS[cls], [plan for _, plan in wired])
            return refilled(transform, "transforms", [child for child, _ in wired]), plan
        if cls in DRAWN:
            encoders = _encoders(transform)
            plan = Branch("sequence", [Leaf(name, encoder) for encoder in encoders])
            return tapped(transform) if encoders else transform, plan
        if name in FIXED and cls.__module__.startswith(("mmcv.", "mmpretrain.")):
            if name not in UNSEEN:
                self.check_always(name)
            return transform, NOTHING
        raise self.unknown(transform)

    @staticmethod
    def size_of(image: Any) -> Size:
        """Height and width of the image in ``results``."""
        height, width = image["img"].shape[:2]
        return int(height), int(width)


class MMRecorder(CallableRecorder):
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

    wiring = _Wiring

    def __init__(
        self,
        pipeline: Any,
        *,
        register: Mapping[str, Own | str] | None = None,
        ignore: Iterable[str] = (),
        types: Iterable[str] = (),
    ) -> None:
        own = {name: _own(name, given) for name, given in (register or {}).items()}
        whole = Compose(list(getattr(pipeline, "transforms", pipeline)))
        super().__init__(copy.deepcopy(whole), register=own, ignore=ignore, types=types)

    def __call__(self, results: dict[str, Any]) -> tuple[Any, Record]:
        """Augment one image.

        Args:
            results: what MM transforms pass on, with the image ``(H, W, C)`` as ``img``; it is
                left as it is.

        Returns:
            The view, and its record: entries ``(columns,)`` float32 without a batch axis.
        """
        made, record = super().__call__(copy.deepcopy(results))
        return made["img"], record


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
        return list(DRAWN[type(transform)].encoders(transform))
    except NothingVariesError:
        return []


class _Drawing(threading.local):
    drawn: dict[str, Any] | None = None


_drawing = _Drawing()
"""What this thread's transform has drawn so far."""


class _Tap:
    """What all recording subclasses share: the original class, and how they pickle."""

    recorded: type

    def transform(self, results: dict[str, Any]) -> Any:
        size = _Wiring.size_of(results)
        outer, _drawing.drawn = _drawing.drawn, {}
        try:
            done = super().transform(results)  # type: ignore[misc]
            drawn = _drawing.drawn
        finally:
            _drawing.drawn = outer
        cls = type(self).recorded
        entries = DRAWN[cls].entries(self, drawn, size)
        if entries:
            note(Step(cls.__name__, {}, {}, size), entries)
        return done

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return tapped, (getattr(self, ORIGINAL),)


def tapped(transform: Any) -> Any:
    """Make the twin of a transform that notes what it draws."""
    cls: Any = type(transform)
    return twin(transform, _tapped(cls))


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class."""
    names = getattr(cls, "_methods_with_randomness", ())
    methods = {name: _noting(cls, name) for name in names}
    slots = {"__slots__": (ORIGINAL,), "recorded": cls}
    return type(cls.__name__, (_Tap, cls), {**slots, **methods})


def _noting(cls: Any, name: str) -> Callable[..., Any]:
    """Wrap a drawing method; MMCV's are descriptors that bind to one instance at a time."""
    drawing = inspect.getattr_static(cls, name)

    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        value = drawing.__get__(self, cls)(*args, **kwargs)
        if _drawing.drawn is not None:
            _drawing.drawn[name] = value
        return value

    return draw
