"""Makes torchvision's transforms say what they did, without changing what they do.

A transform's class is swapped for a subclass that calls the original and notes what it drew in a
thread-local log. The subclasses pickle as (original class, state), so they pass to DataLoader
workers under fork, forkserver and spawn.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import get_size

from augself_loss.encoders.base import Columns, Step
from augself_loss.encoders.crop import padding_sides
from augself_loss.errors import ImageError

Apply: TypeAlias = Callable[[Any, Any], "tuple[Any, Columns | None]"]
"""``apply(transform, image) → (view, columns)``; ``None`` where nothing was applied."""

V1_DRAWS: Mapping[str, tuple[str, ...]] = {
    "RandomResizedCrop": ("top", "left", "height", "width"),
    "RandomCrop": ("top", "left", "height", "width"),
    "ColorJitter": (
        "fn_idx", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor",
    ),
    "GaussianBlur": ("sigma",),
    "RandomRotation": ("angle",),
    "RandomAffine": ("angle", "translate", "scale", "shear"),
    "RandomPerspective": ("startpoints", "endpoints"),
    "RandomErasing": ("i", "j", "h", "w", "v"),
}  # fmt: skip
"""What the v1 transforms' ``get_params`` return, under v2's names."""

DRAW = "make_params" if hasattr(v2.Transform, "make_params") else "_get_params"
"""The method in which a v2 transform draws; private before torchvision 0.21."""

Entry: TypeAlias = "tuple[Step, Mapping[str, Columns] | None]"
"""A step, and its record entries where a registered callable reported them itself."""


class _Log(threading.local):
    steps: list[Entry] | None = None
    size: tuple[int, int] = (0, 0)


_log = _Log()


class logged:  # noqa: N801 - it stands in a with statement
    """Collect the steps of the transforms called in this block, in this thread.

    A class, since a generator's context manager takes three times as long to enter and to leave,
    and every image does.
    """

    def __enter__(self) -> list[Entry]:
        self._outer = _log.steps
        steps: list[Entry] = []
        _log.steps = steps
        return steps

    def __exit__(self, *_: object) -> None:
        _log.steps = self._outer


def note(step: Step, reported: Mapping[str, Columns] | None = None) -> None:
    """Write a step into this thread's log, where :func:`logged` keeps one.

    Args:
        step: what a transform did.
        reported: its record entries, where it is not for an encoder to read them.
    """
    if _log.steps is not None:
        _log.steps.append((step, reported))


def _note(transform: Any, params: Mapping[str, Any], size: tuple[int, int]) -> None:
    note(Step(type(transform).recorded.__name__, params, vars(transform), size))


class _Tap:
    """What all recording subclasses share: the original class, and how they pickle."""

    recorded: type

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self).recorded, vars(self))


class _V2Tap(_Tap):
    """Notes what a v2 transform draws; it draws only where it is applied."""

    def _noted(self, draw: Callable[[list[Any]], dict[str, Any]], images: list[Any]) -> Any:
        height, width = _size(self, images[0] if images else None)
        before = torch.get_rng_state() if isinstance(self, v2.RandomPerspective) else None
        params = draw(images)
        more = {} if before is None else {"endpoints": _endpoints(self, before, (height, width))}
        _note(self, {**params, **more}, (height, width))
        return params


def _size(transform: _Tap, image: Any) -> tuple[int, int]:
    """Height and width of what a transform is given, where it is an image."""
    if isinstance(image, Image):  # what most pipelines are given; get_size dispatches first
        width, height = image.size
        return height, width
    try:
        height, width = get_size(image)
    except TypeError:
        raise ImageError(
            f"'{type(transform).recorded.__name__}' expected a PIL image or tensor, found neither. "
            "torchvision may pass anything else, NumPy arrays too, on unchanged: convert it first, "
            "v2.ToImage()."
        ) from None
    return height, width


def _endpoints(transform: Any, before: Tensor, size: tuple[int, int]) -> list[list[int]]:
    """Draw a perspective's corners again: v2 keeps coefficients only, which cannot always tell."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(before)
        height, width = size
        scale = transform.distortion_scale
        ends: list[list[int]] = v1.RandomPerspective.get_params(width, height, scale)[1]
    return ends


class _V1DrawTap(_Tap):
    """Notes what a v1 transform's ``get_params`` returns."""

    def forward(self, img: Any) -> Any:
        height, width = _size(self, img)
        _log.size = (height, width)
        return super().forward(img)  # type: ignore[misc]

    def get_params(self, *args: Any, **kwargs: Any) -> Any:
        drawn = type(self).recorded.get_params(*args, **kwargs)  # type: ignore[attr-defined]
        names = V1_DRAWS[type(self).recorded.__name__]
        params = dict(zip(names, drawn if isinstance(drawn, tuple) else (drawn,), strict=True))
        if hasattr(self, "pad_if_needed"):
            params["padding"] = _v1_padding(self, _log.size)
        _note(self, params, _log.size)
        return drawn


class _V1AppliedTap(_Tap):
    """Notes that a v1 transform without parameters was applied: it returned another image."""

    def forward(self, img: Any) -> Any:
        height, width = _size(self, img)
        view = super().forward(img)  # type: ignore[misc]
        if view is not img:
            _note(self, {}, (height, width))
        return view


class Reported(nn.Module):
    """A user's own callable, run by the function that was registered for it.

    Args:
        transform: the callable.
        entry: name of the record entry that it writes.
        apply: runs it and reports its columns.
    """

    def __init__(self, transform: Any, entry: str, apply: Apply) -> None:
        super().__init__()
        self.transform, self.entry, self.apply_to = transform, entry, apply

    def forward(self, image: Any) -> Any:
        """Run the callable and note what it reports."""
        height, width = get_size(image)
        view, columns = self.apply_to(self.transform, image)
        if columns is not None:
            step = Step(type(self.transform).__name__, {}, {}, (height, width))
            note(step, {self.entry: tuple(columns)})
        return view


def tap(transform: Any) -> None:
    """Make one transform note what it does from now on; it stays the same object."""
    cls: Any = type(transform)
    transform.__class__ = _tapped(cls)


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class."""
    if issubclass(cls, v2.Transform):
        original = getattr(cls, DRAW)

        def draw(self: Any, images: list[Any]) -> Any:
            return self._noted(functools.partial(original, self), images)

        return type(cls.__name__, (_V2Tap, cls), {"recorded": cls, DRAW: draw})
    kind = _V1DrawTap if cls.__name__ in V1_DRAWS else _V1AppliedTap
    return type(cls.__name__, (kind, cls), {"recorded": cls})


def _restore(cls: type, state: Mapping[str, Any]) -> Any:
    """Rebuild a recording transform from its pickle."""
    tapped = _tapped(cls)
    transform = tapped.__new__(tapped)
    transform.__dict__.update(state)
    return transform


def _v1_padding(crop: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Work out how far a v1 RandomCrop pads to the left and at the top."""
    left, top, right, bottom = padding_sides(0 if crop.padding is None else crop.padding)
    if crop.pad_if_needed:
        left += max(0, crop.size[1] - (size[1] + left + right))
        top += max(0, crop.size[0] - (size[0] + top + bottom))
    return left, top
