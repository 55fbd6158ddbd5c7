"""What a torchvision transform is given: one image, its size, its white and its channels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision import tv_tensors

from augself_loss.encoders.step import Seen
from augself_loss.errors import ImageError
from augself_loss.recording.torchvision.samples import EXPLICIT, image_in, is_plain, is_sample

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
"""PIL's modes without colour; an alpha channel is none."""
PIL_WHITE = {"F": 1.0, "I": 2.0**31 - 1, "I;16": 65535.0, "I;16L": 65535.0, "I;16B": 65535.0}
"""PIL's modes whose brightest value is not 255."""
WHITE = {
    **dict.fromkeys((torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64), 1.0),
    **{
        dtype: float(torch.iinfo(dtype).max)
        for dtype in (
            torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
            torch.uint16, torch.uint32, torch.uint64,
        )
    },
}  # fmt: skip
"""Brightest value of a tensor's dtype, as torchvision counts it."""


def seen(image: Any, name: str) -> Seen:
    """Look at the image that the transform ``name`` is given: its type only, no pixel.

    Raises:
        ImageError: a batch, or neither a PIL image nor a tensor.
    """
    if isinstance(image, Image):
        return _seen_of_pil(image.size, image.mode)
    if is_sample(image):
        raise ImageError(
            f"'{name}' expected one image, found a {type(image).__name__}: v1 transforms take "
            "only an image. For masks, boxes and labels use torchvision.transforms.v2."
        )
    if not isinstance(image, Tensor):
        found = "neither" if image is None else type(image).__name__
        raise ImageError(
            f"'{name}' expected a PIL image or tensor, found {found}: torchvision may pass other "
            "types on unchanged, even NumPy arrays. Convert it first: v2.ToImage()."
        )
    if image.ndim != 3:
        check_one(image, f"'{name}'")
    channels, height, width = image.shape
    return Seen((height, width), WHITE.get(image.dtype, 1.0), channels)


@functools.lru_cache(maxsize=1024)  # a hit takes a fifth of making it anew, at every step
def _seen_of_pil(size: tuple[int, int], mode: str) -> Seen:
    channels = 1 if mode in GREY_MODES else 4 if mode in ("RGBA", "CMYK") else 3
    return Seen((size[1], size[0]), PIL_WHITE.get(mode, 255.0), channels)


def seen_in(parts: Sequence[Any], name: str) -> Seen:
    """Look at the image among the parts of a sample that the v2 transform ``name`` is given.

    Raises:
        ImageError: none or several, or one that is no single image.
    """
    if len(parts) == 1 and isinstance(first := parts[0], Image):
        return _seen_of_pil(first.size, first.mode)
    first = parts[0] if parts else None
    if len(parts) > 1 or isinstance(first, tv_tensors.TVTensor):
        first = image_in(parts, f"'{name}'")
    return seen(first, name)


def check_one(image: Any, where: str) -> None:
    """Refuse what is not one image (C, H, W): torchvision would draw once for all of it.

    Args:
        image: what a recorder or transform was given; what is no image and no list of them is let
            pass.
        where: who was given it, for the message.

    Raises:
        ImageError: a batch, a video, masks or boxes, a list of images.
    """
    if isinstance(image, Tensor):
        if image.ndim > 3:
            raise ImageError(
                f"{where} expected one image (C, H, W), found {tuple(image.shape)}: torchvision "
                "would augment the whole batch alike. Augment image by image in the data set, or "
                "use a KorniaRecorder for the batch on the device."
            )
        if image.ndim < 3 or 0 in image.shape:
            raise ImageError(f"{where} expected an image (C, H, W), found {tuple(image.shape)}.")
        if isinstance(image, tv_tensors.TVTensor) and not isinstance(image, tv_tensors.Image):
            raise ImageError(
                f"{where} expected an image, found a tv_tensors.{type(image).__name__}, which "
                "most transforms leave unchanged. Wrap it: tv_tensors.Image(tensor)."
            )
    elif isinstance(image, (list, tuple)) and all(map(_may_be_image, image)):
        raise ImageError(
            f"{where} expected one image, found a {type(image).__name__} of {len(image)}: "
            "torchvision would augment all of them alike. Call the recorder once per image; wrap "
            "a mask: tv_tensors.Mask(mask)."
        )


def _may_be_image(part: Any) -> bool:
    return isinstance(part, EXPLICIT) or (is_plain(part) and part.ndim >= 3)
