"""What an albumentations transform is given: one NumPy image, its size, white and channels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from augself_loss.encoders.step import Seen
from augself_loss.errors import ImageError

WHITE = {
    np.dtype(name): white
    for name, white in {
        "uint8": 255.0, "uint16": 65535.0, "uint32": 2.0**32 - 1,
        "float16": 1.0, "float32": 1.0, "float64": 1.0,
    }.items()
}  # fmt: skip
"""Brightest value of an image's dtype, as albumentations counts it."""


def seen(image: Any, name: str) -> Seen:
    """Look at the image that the transform ``name`` is given: its type only, no pixel.

    Raises:
        ImageError: no NumPy image.
    """
    if not isinstance(image, np.ndarray) or image.dtype not in WHITE:
        check_image(image, f"'{name}'")
    return _seen_of(image.shape, image.dtype)


@functools.lru_cache(maxsize=1024)  # every step asks, mostly for what another just asked for
def _seen_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Seen:
    channels = shape[2] if len(shape) == 3 else 1
    return Seen((shape[0], shape[1]), WHITE.get(dtype, 1.0), channels)


def check_image(image: Any, where: str) -> None:
    """Refuse what is no NumPy image (H, W) or (H, W, C).

    Args:
        image: what a recorder or transform was given.
        where: who was given it, for the message.

    Raises:
        ImageError: a tensor, a PIL image, a batch, or a dtype that albumentations does not know.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"{where} expected a NumPy image (H, W, C), found {type(image).__name__}. Convert it: "
            "np.asarray(image) of a PIL image, tensor.permute(1, 2, 0).numpy() of a tensor; in a "
            "pipeline put ToTensorV2 last."
        )
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ImageError(
            f"{where} expected one image (H, W) or (H, W, C), found shape {image.shape}. Call the "
            "recorder once per image."
        )
    if image.dtype not in WHITE:
        raise ImageError(
            f"{where} expected an image of dtype {sorted(map(str, WHITE))}, found {image.dtype}. "
            "Convert the image to uint8."
        )
