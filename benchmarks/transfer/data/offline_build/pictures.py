"""Decode, cut out, crop and compare pictures."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 64
WHITE = (255, 255, 255, 255)
Pixels = npt.NDArray[np.uint8]  # (3, SIDE, SIDE)
Thumb = npt.NDArray[np.float32]  # (height, width, 3)


@contextmanager
def trusted_pictures() -> Iterator[None]:
    """Decode pictures of any size, without Pillow's warnings on odd files: packages are trusted."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def opened(data: bytes) -> Image.Image:
    """A picture, not yet decoded."""
    return Image.open(io.BytesIO(data))


def photograph(data: bytes, short: int | None = None) -> Image.Image:
    """Decode a photograph to RGB, its shorter side no longer than ``short``."""
    image = opened(data)
    if short and image.format == "JPEG":
        image.draft("RGB", (short, short))  # decodes at a fraction of the size: much faster
    image = image.convert("RGB")
    if short and min(image.size) > short:
        scale = short / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BOX)
    return image


def square(image: Image.Image) -> Image.Image:
    """Resize to SIDE × SIDE."""
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def cutout(data: bytes) -> Image.Image | None:
    """What is visible of a transparent picture, centred on a white square; None if it is tiny."""
    image = opened(data)
    if image.mode != "RGBA":  # a copy of the largest drawing is 2.5 GB
        image = image.convert("RGBA")
    visible = image.getchannel("A").point(lambda alpha: 255 if alpha > 16 else 0).getbbox()
    if not visible:
        return None
    image = image.crop(visible)
    width, height = image.size
    if min(width, height) < 8:
        return None
    scale = 0.92 * SIDE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = image.resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (SIDE, SIDE), WHITE)
    canvas.alpha_composite(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return canvas.convert("RGB")


def pixels(image: Image.Image) -> Pixels:
    """As uint8 channels first."""
    return np.asarray(image, np.uint8).transpose(2, 0, 1)


def thumb(image: Image.Image, size: tuple[int, int] = (16, 16)) -> Thumb:
    """A few averages of a picture, to find near copies by."""
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)


def is_flat(picture: Pixels, threshold: float = 6) -> bool:
    """Whether there is nothing to see: the brightness hardly varies."""
    return bool(picture.astype(np.float32).mean(0).std() < threshold)


def random_crops(
    image: Image.Image,
    count: int,
    rng: random.Random,
    *,
    scale: tuple[float, float] = (0.2, 1.0),
    smallest: int = 80,
    flat: float = 6,
) -> list[Pixels]:
    """Square crops of many sizes, no two of nearly the same place, none of them flat.

    Args:
        image: RGB.
        count: at most so many.
        rng: where randomness comes from.
        scale: least and greatest side as fractions of the shorter side; log-uniform between.
        smallest: least side in pixels.
        flat: threshold of ``is_flat``.
    """
    shorter = min(image.size)
    low, high = scale
    places: list[tuple[int, int, int]] = []
    found: list[Pixels] = []
    for _ in range(count * 6):
        if len(found) >= count:
            break
        side = int(max(smallest, shorter * low * (high / low) ** rng.random()))
        side = min(side, shorter)
        left, top = rng.randint(0, image.width - side), rng.randint(0, image.height - side)
        if any(_overlap((left, top, side), place) > 0.5 for place in places):
            continue
        crop = pixels(square(image.crop((left, top, left + side, top + side))))
        if not is_flat(crop, flat):
            places.append((left, top, side))
            found.append(crop)
    return found


def _overlap(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Intersection over union of two squares (left, top, side)."""
    width, height = (
        min(one[axis] + one[2], other[axis] + other[2]) - max(one[axis], other[axis])
        for axis in (0, 1)
    )
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[2] ** 2 + other[2] ** 2 - width * height)
