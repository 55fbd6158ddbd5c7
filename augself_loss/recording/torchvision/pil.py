"""Reads a user's own blur and solarization by what they call in PIL.

Public scripts have small classes of their own, whose ``__call__`` draws numbers and calls
``ImageFilter.GaussianBlur`` or ``ImageOps.solarize``. Their range is found by running their code on
lowest, middle and highest draws; σ and threshold of an image are what the code hands to PIL.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from PIL import ImageFilter, ImageOps

from augself_loss.encoders import BlurEncoder, Encoder, SolarizeEncoder
from augself_loss.encoders.base import Columns
from augself_loss.encoders.solarize import WHITE_8_BIT, fraction_of_white
from augself_loss.errors import NothingVariesError, PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.torchvision.doubles import (
    BETWEEN,
    OF_PIL,
    Doubled,
    UnknownCodeError,
    check_code,
)

MOST_DRAWS = 4
"""With three numbers each, 81 runs."""
SMALLEST = 2.0**-53
"""How far what is drawn from [0, 1) stays from both ends."""


class _Op(NamedTuple):
    """What PIL did: its column's value, and from which core to which.

    Cores are what PIL's images hold their pixels in.
    """

    name: str
    value: float
    source: Any
    made: Any


def encoder_of(transform: Any) -> Encoder | None:
    """Find the encoder of what a callable does by PIL, with the range that it draws from.

    Nothing is drawn, and no image is needed.

    Args:
        transform: an object whose ``__call__(image)`` draws by ``random``, NumPy or ``torch.rand``.

    Returns:
        Encoder of the blur or solarization; ``None`` where it never acts as it is built.

    Raises:
        LookupError: it does something else, or its range cannot be told.
    """
    found: dict[str, list[float]] = {"blur": [], "solarize": []}
    try:
        check_code(transform)
        for draws in _all_draws():
            _run_on_stub(transform, draws, found)
            if not draws.has_pil or all(found.values()):
                raise UnknownCodeError("it calls neither of PIL's two, or both")
        for kind, name in ((BlurEncoder, "blur"), (SolarizeEncoder, "solarize")):
            if found[name]:
                return kind(_limits(found[name]))
    except NothingVariesError:
        return None
    except Exception as error:  # code that is not known may do anything with a stub
        raise LookupError(str(error)) from error
    return None


def run_noting(transform: Any, image: Any) -> tuple[Any, Columns | None]:
    """Run such a callable on an image, and say what it handed to PIL.

    Args:
        transform: it.
        image: a PIL image.

    Returns:
        The view, and σ of a blur or threshold of a solarization; ``None`` where none was applied.

    Raises:
        PipelineError: the view is not what PIL made of the image in one step.
    """
    try:
        doubled = _noting(type(transform).__call__)
        doubled.check()
    except UnknownCodeError as error:
        raise _changed(transform, str(error)) from error
    ops = _noted.ops = []
    view = doubled.run(transform, image)
    if not ops and view is image:
        return view, None
    op = ops[0] if len(ops) == 1 else None
    if op is None or op.source is not image.im or op.made is not getattr(view, "im", None):
        raise _changed(transform, f"{len(ops)} such steps and another image")
    return view, (op.value,)


def _changed(transform: Any, found: str) -> PipelineError:
    name = type(transform).__name__
    return PipelineError(
        f"Expected '{name}' to return the image, or the result of one PIL GaussianBlur or "
        f"solarize, as when its recorder was made, found {found}. Register how to run and read it "
        f"(register={{{name}: (encoder, apply)}}), or leave it out of the record with "
        f"ignore=[{name}]."
    )


class _Noted(threading.local):
    ops: list[_Op]
    """Of the callable that this thread runs."""


_noted = _Noted()


@functools.cache
def _noting(function: Any) -> Doubled:
    """Double PIL's two by what does the same and notes it; draws stay as they are."""
    doubles = {ImageFilter.GaussianBlur: _NotingBlur, ImageOps.solarize: _solarize}
    return Doubled(function, lambda known: doubles.get(known, known))


class _NotingBlur(ImageFilter.GaussianBlur):  # type: ignore[misc]
    """PIL's blur, which notes what it was applied to."""

    def filter(self, image: Any) -> Any:
        made = super().filter(image)
        _noted.ops.append(_Op("blur", float(self.radius), image, made))
        return made


def _solarize(image: Any, threshold: Any = 128) -> Any:
    view = ImageOps.solarize(image, threshold)
    _noted.ops.append(_Op("solarize", _fraction(threshold), image.im, view.im))
    return view


def _fraction(threshold: Any) -> float:
    return fraction_of_white(float(threshold), WHITE_8_BIT)  # PIL solarizes 8-bit images alone


def _limits(values: list[float]) -> Range:
    """Find between which numbers values lie: 0.1, where code adds up 0.10000000000000021."""
    low, high = min(values), max(values)
    return (low, high) if low == high else (float(f"{low:.12g}"), float(f"{high:.12g}"))


def _run_on_stub(transform: Any, draws: _Draws, found: dict[str, list[float]]) -> None:
    """Add the value that a callable hands to PIL under some draws."""
    image = _Stub()
    view = Doubled(type(transform).__call__, draws.double).run(transform, image)
    if not isinstance(view, _Stub) or (view.op is None and view is not image):
        raise UnknownCodeError("it returns another image")
    if view.op is not None:
        name, value = view.op
        found[name].append(value)


class _Stub:
    """Stands for the image, or for what PIL made of it."""

    def __init__(self, op: tuple[str, float] | None = None) -> None:
        self.op = op

    def filter(self, blur: Any) -> _Stub:
        return self.after("blur", float((blur() if callable(blur) else blur)["radius"]))

    def after(self, name: str, value: float) -> _Stub:
        if self.op is not None or value < 0:
            raise UnknownCodeError("it takes two steps, or its σ is negative")
        return _Stub((name, value))


class _Draws:
    """Draws what it is told to, and the lowest number beyond that.

    Args:
        told: per draw 0, 1 or 2 for the lowest, middle or highest.
    """

    def __init__(self, told: tuple[int, ...]) -> None:
        self.told = list(told)
        self.count = 0
        self.has_pil = False

    def double(self, known: Any) -> Any:
        """Put stubs in the place of PIL's two, and what draws as told in that of what draws."""
        self.has_pil |= known in OF_PIL
        if known is ImageFilter.GaussianBlur:
            return lambda radius=2: {"radius": radius}
        if known is ImageOps.solarize:
            return lambda image, threshold=128: image.after("solarize", _fraction(threshold))
        if known is torch.rand:
            return lambda *size: torch.full(size, self.unit())
        return self.between if known in BETWEEN else self.unit

    def unit(self) -> float:
        """Draw from [0, 1)."""
        return self.between(SMALLEST, 1.0 - SMALLEST)

    def between(self, low: float, high: float) -> float:
        """Draw between two numbers."""
        if self.count == MOST_DRAWS:
            raise UnknownCodeError("it draws more often than is looked through")
        self.told += [0] * (self.count == len(self.told))
        place = self.told[self.count]
        self.count += 1
        return (low, (low + high) / 2, high)[place]


def _all_draws() -> Iterator[_Draws]:
    """Go through all that lowest, middle and highest draws lead to."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        told = waiting.pop()
        draws = _Draws(told)
        yield draws
        for place in range(len(told), draws.count):
            waiting += [(*draws.told[:place], other) for other in (1, 2)]
