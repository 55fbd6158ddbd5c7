"""Makes torchvision's transforms say what they did, without changing what they do.

A transform gets a twin: an object of a subclass that shares its attributes, calls the original's
methods and notes what it drew in a thread-local log. So a change of the transform is a change of
its twin, and the transform itself notes nothing. A twin pickles as how it is made of the transform,
and so passes to DataLoader workers under fork, forkserver and spawn.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

import torch
from PIL.Image import Image
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.encoders import Encoder
from augself_loss.encoders.crop import padding_sides
from augself_loss.encoders.step import Seen
from augself_loss.recording.notes import running
from augself_loss.recording.scribes import SCRIBE, EncoderScribe
from augself_loss.recording.torchvision.images import seen, seen_in
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


class _Tap:
    """What all recording subclasses share: the original class, and what reads their notes."""

    recorded: type
    _augself_scribe: EncoderScribe

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        scribe = self._augself_scribe
        return tapped, (getattr(self, ORIGINAL), scribe.encoder, scribe.idle)


def tapped(transform: Any, encoder: Encoder, idle: bool = False) -> Any:
    """Make the twin of a transform that notes what it does.

    Args:
        transform: it; it stays as it is.
        encoder: reads its steps.
        idle: whether it shall do nothing, as it is built: its steps are looked at, not recorded.
    """
    cls: Any = type(transform)
    made = twin(transform, _tapped(cls))
    scribe = EncoderScribe(encoder, "torchvision", cls.__name__, transform, idle=idle)
    object.__setattr__(made, SCRIBE, scribe)
    return made


@functools.cache
def _tapped(cls: Any) -> Any:
    """Build the recording subclass of a transform's class.

    Its methods are what every image runs through: they look up no more than they need.
    """
    if issubclass(cls, v2.Transform):
        methods = _v2_methods(cls)
    else:
        methods = _v1_drawing(cls) if cls.__name__ in V1_DRAWS else _v1_applied(cls)
    held = {"__slots__": (ORIGINAL, SCRIBE), "recorded": cls, **methods}
    return type(cls.__name__, (_Tap, cls), held)


def _v2_methods(cls: Any) -> dict[str, Any]:
    """Make what notes what a v2 transform draws; it draws only where it is applied."""
    name, draw, look = cls.__name__, getattr(cls, DRAW), getattr(cls, CHECK)
    looks = look is not getattr(v2.Transform, CHECK)  # which looks at nothing
    own = not cls.__module__.startswith("torchvision.")  # might change what it drew

    def noting(self: Any, images: list[Any]) -> Any:
        image = seen_in(images, name)
        params = draw(self, images)
        notes = running.notes
        if notes is not None:
            notes.append((self._augself_scribe, {**params} if own else params, image))
        return params

    def check(self: Any, parts: list[Any]) -> Any:
        if len(parts) > 1:
            image_in(parts, f"'{name}'")
        return look(self, parts) if looks else None

    draws = _with_corners(noting) if issubclass(cls, v2.RandomPerspective) else noting
    return {DRAW: draws, CHECK: check}


def _with_corners(noting: Any) -> Any:
    """Draw a perspective's corners again: v2 keeps coefficients only, which cannot always tell."""

    def draw(self: Any, images: list[Any]) -> Any:
        before = torch.get_rng_state()
        params = noting(self, images)
        if running.notes is not None:
            scribe, drawn, image = running.notes[-1]
            (height, width), scale = image.size, self.distortion_scale
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(before)
                _, ends = v1.RandomPerspective.get_params(width, height, scale)
            running.notes[-1] = scribe, {**drawn, "endpoints": ends}, image
        return params

    return draw


def _v1_drawing(cls: Any) -> dict[str, Any]:
    """Make what notes what a v1 transform's ``get_params`` returns."""
    name, run, draw = cls.__name__, cls.forward, cls.get_params
    names, alone = V1_DRAWS[name], len(V1_DRAWS[name]) == 1
    pads = issubclass(cls, v1.RandomCrop)

    def forward(self: Any, img: Any) -> Any:
        _given.image = seen(img, name)
        return run(self, img)

    def get_params(self: Any, *args: Any, **kwargs: Any) -> Any:
        drawn = draw(*args, **kwargs)
        notes, image = running.notes, _given.image
        if notes is not None:
            params = dict(zip(names, (drawn,) if alone else drawn, strict=True))
            if pads:
                params["padding"] = _v1_padding(self, image.size)
            notes.append((self._augself_scribe, params, image))
        return drawn

    return {"forward": forward, "get_params": get_params}


def _v1_applied(cls: Any) -> dict[str, Any]:
    """Make what notes that a v1 transform without parameters acted: it returned another image."""
    name, run = cls.__name__, cls.forward

    def forward(self: Any, img: Any) -> Any:
        if not isinstance(img, Image):
            seen(img, name)  # refuses what is none
        view = run(self, img)
        if view is not img and running.notes is not None:
            running.notes.append((self._augself_scribe, {}, seen(img, name)))
        return view

    return {"forward": forward}


def _v1_padding(crop: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Work out how far a v1 RandomCrop pads to the left and at the top."""
    left, top, right, bottom = padding_sides(0 if crop.padding is None else crop.padding)
    if crop.pad_if_needed:
        left += max(0, crop.size[1] - (size[1] + left + right))
        top += max(0, crop.size[0] - (size[0] + top + bottom))
    return left, top
