"""Makes torchvision's transforms say what they did, without changing what they do.

A transform gets a twin: an object of a subclass that shares its attributes, calls the original's
methods and notes what it drew in a thread-local log. So a change of the transform is a change of
its twin, and the transform itself notes nothing. A twin pickles as how it is made of the transform,
and so passes to DataLoader workers under fork, forkserver and spawn.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

from augself_loss.encoders.base import Step
from augself_loss.encoders.crop import padding_sides
from augself_loss.recording.notes import IDLE, note
from augself_loss.recording.torchvision.images import Seen, seen
from augself_loss.recording.torchvision.samples import image_in
from augself_loss.recording.twins import ORIGINAL, twin

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
CHECK = "check_inputs" if hasattr(v2.Transform, "check_inputs") else "_check_inputs"
"""The method in which it looks at all parts of a sample, before it draws."""


class _Given(threading.local):
    image: Seen = Seen((0, 0), 1.0, 3)


_given = _Given()
"""What this thread's v1 transform was given; it draws in a method that is not told."""


def _note(transform: Any, params: Mapping[str, Any], image: Seen) -> None:
    cls = type(transform)
    name = cls.recorded.__name__
    note(Step(name, params, vars(transform), *image), IDLE if cls.idle else None)


class _Tap:
    """What all recording subclasses share: the original class, and whether it shall do nothing."""

    recorded: type
    idle: bool

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return tapped, (getattr(self, ORIGINAL), type(self).idle)


class _V2Tap(_Tap):
    """Notes what a v2 transform draws; it draws only where it is applied."""

    def _noted(self, draw: Callable[[list[Any]], dict[str, Any]], images: list[Any]) -> Any:
        name = type(self).recorded.__name__
        first = images[0] if images else None
        if len(images) > 1 or isinstance(first, tv_tensors.TVTensor):
            first = image_in(images, f"'{name}'")
        image = seen(first, name)
        before = torch.get_rng_state() if isinstance(self, v2.RandomPerspective) else None
        params = draw(images)
        more = {} if before is None else {"endpoints": _endpoints(self, before, image.size)}
        _note(self, {**params, **more}, image)
        return params


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
        _given.image = seen(img, type(self).recorded.__name__)
        return super().forward(img)  # type: ignore[misc]

    def get_params(self, *args: Any, **kwargs: Any) -> Any:
        drawn = type(self).recorded.get_params(*args, **kwargs)  # type: ignore[attr-defined]
        names = V1_DRAWS[type(self).recorded.__name__]
        params = dict(zip(names, drawn if isinstance(drawn, tuple) else (drawn,), strict=True))
        if hasattr(self, "pad_if_needed"):
            params["padding"] = _v1_padding(self, _given.image.size)
        _note(self, params, _given.image)
        return drawn


class _V1AppliedTap(_Tap):
    """Notes that a v1 transform without parameters was applied: it returned another image."""

    def forward(self, img: Any) -> Any:
        image = seen(img, type(self).recorded.__name__)
        view = super().forward(img)  # type: ignore[misc]
        if view is not img:
            _note(self, {}, image)
        return view


def tapped(transform: Any, idle: bool = False) -> Any:
    """Make the twin of a transform that notes what it does.

    Args:
        transform: it; it stays as it is.
        idle: whether it shall do nothing, as it is built: its steps are looked at, not recorded.
    """
    cls: Any = type(transform)
    return twin(transform, _tapped(cls, idle))


@functools.cache
def _tapped(cls: Any, idle: bool) -> Any:
    """Build the recording subclass of a transform's class."""
    slots = {"__slots__": (ORIGINAL,), "recorded": cls, "idle": idle}
    if issubclass(cls, v2.Transform):
        original = getattr(cls, DRAW)

        def draw(self: Any, images: list[Any]) -> Any:
            return self._noted(functools.partial(original, self), images)

        look = getattr(cls, CHECK)

        def check(self: Any, parts: list[Any]) -> Any:
            if len(parts) > 1:
                image_in(parts, f"'{cls.__name__}'")
            return look(self, parts)

        return type(cls.__name__, (_V2Tap, cls), {**slots, DRAW: draw, CHECK: check})
    kind = _V1DrawTap if cls.__name__ in V1_DRAWS else _V1AppliedTap
    return type(cls.__name__, (kind, cls), slots)


def _v1_padding(crop: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Work out how far a v1 RandomCrop pads to the left and at the top."""
    left, top, right, bottom = padding_sides(0 if crop.padding is None else crop.padding)
    if crop.pad_if_needed:
        left += max(0, crop.size[1] - (size[1] + left + right))
        top += max(0, crop.size[0] - (size[0] + top + bottom))
    return left, top
