"""Decode, cut out, crop, paste and compare pictures."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 64
"""Side in pixels at which pictures are stored, unless :func:`stored_at` says another."""
FINEST = 80
"""Largest side to store: most crops of photographs have no more pixels."""
_STORED: ContextVar[int] = ContextVar("stored_side", default=SIDE)
Colour = tuple[int, int, int]
WHITE = (255, 255, 255)
FILLED = 0.92
"""Longer side of what is centred on a plain square, as a part of the square's."""
Pixels = npt.NDArray[np.uint8]  # (3, stored_side(), stored_side())
Thumb = npt.NDArray[np.float32]  # (height, width, 3)
Window = tuple[float, float, float, float]  # left, top, right, bottom in pixels
Box = tuple[float, float, float, float]  # centre x, centre y, width, height as fractions


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


@contextmanager
def stored_at(side: int) -> Iterator[None]:
    """Make pictures of another side."""
    token = _STORED.set(side)
    try:
        yield
    finally:
        _STORED.reset(token)


def stored_side() -> int:
    """Side in pixels of the pictures that are made."""
    return _STORED.get()


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


def square(
    image: Image.Image, window: Window | None = None, side: int | None = None
) -> Image.Image:
    """Resize a picture, or a window of it, to ``side`` × ``side``; as it is stored by default."""
    side = side or stored_side()
    gap = None if window is None else 3.0  # halves large windows first: much faster
    return image.resize((side, side), Image.Resampling.LANCZOS, box=window, reducing_gap=gap)


def cropped(image: Image.Image, window: Window) -> Image.Image:
    """Resize a window to a stored picture, looking at nothing beyond its edges."""
    return square(image.crop(window))


def fit(image: Image.Image, longest: float, least: int = 1) -> Image.Image:
    """Resize so that the longer side is ``longest``, and none is shorter than ``least``."""
    scale = longest / max(image.size)
    size = (max(least, round(image.width * scale)), max(least, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def visible(data: bytes) -> Image.Image | None:
    """What is visible of a transparent picture, RGBA; None if it is tiny."""
    image = opened(data)
    if image.mode != "RGBA":  # a copy of the largest drawing is 2.5 GB
        image = image.convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 16 else 0).getbbox()
    if not box or min(box[2] - box[0], box[3] - box[1]) < 8:
        return None
    return image.crop(box)


def on_plain(
    cut: Image.Image, background: Colour = WHITE, longest: float | None = None
) -> Image.Image:
    """Centre what is cut out on a plain square."""
    side = stored_side()
    cut = fit(cut, longest or FILLED * side)
    canvas = Image.new("RGBA", (side, side), (*background, 255))
    canvas.alpha_composite(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return canvas.convert("RGB")


def cutout(data: bytes) -> Image.Image | None:
    """What is visible of a transparent picture, centred on a white square; None if it is tiny."""
    cut = visible(data)
    return None if cut is None else on_plain(cut)


def pasted(ground: Image.Image, cut: Image.Image, left: int, top: int) -> tuple[Image.Image, Box]:
    """Paste what is cut out on a square ground, and say where it is."""
    ground = ground.convert("RGBA")
    ground.alpha_composite(cut, (left, top))
    centre = ((left + cut.width / 2) / ground.width, (top + cut.height / 2) / ground.width)
    return ground.convert("RGB"), (*centre, cut.width / ground.width, cut.height / ground.width)


def pixels(image: Image.Image) -> Pixels:
    """As uint8 channels first."""
    return np.asarray(image, np.uint8).transpose(2, 0, 1)


def from_pixels(picture: Pixels) -> Image.Image:
    """The picture again."""
    return Image.fromarray(picture.transpose(1, 2, 0))


def thumb(image: Image.Image, size: tuple[int, int] = (16, 16)) -> Thumb:
    """A few averages of a picture, to find near copies by."""
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)


def differ(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Mean difference of two pictures or thumbs, in grey levels."""
    return float(np.abs(one.astype(np.float32) - other).mean())


class Distinct:
    """Remembers thumbs, and refuses those that are nearly equal to an earlier one.

    Args:
        threshold: mean difference, in grey levels, below which two are nearly equal.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._seen: list[Thumb] = []

    def add(self, thumb: Thumb) -> bool:
        """Keep a thumb and return True, unless one like it is kept already."""
        if self._seen:
            distances = np.abs(np.stack(self._seen) - thumb).mean((1, 2, 3))
            if float(distances.min()) < self.threshold:
                return False
        self._seen.append(thumb)
        return True


def is_flat(picture: Pixels, threshold: float = 6) -> bool:
    """Whether there is nothing to see: the brightness hardly varies."""
    return bool(picture.astype(np.float32).mean(0).std() < threshold)


def is_grey(picture: Pixels, threshold: float) -> bool:
    """Whether the largest and the smallest channel hardly differ."""
    levels = picture.astype(np.float32)
    return bool((levels.max(0) - levels.min(0)).mean() < threshold)


def random_window(size: tuple[int, int], side: int, rng: random.Random) -> Window:
    """A square window at a random place of a picture."""
    left, top = rng.randint(0, size[0] - side), rng.randint(0, size[1] - side)
    return left, top, left + side, top + side


def random_crops(
    image: Image.Image,
    count: int,
    rng: random.Random,
    *,
    scale: tuple[float, float] = (0.2, 1.0),
    smallest: int = 80,
    flat: float = 6,
    overlap: float = 0.5,
    tries: int = 6,
    rounded: Callable[[float], int] = int,
    cut: Callable[[Image.Image, Window], Image.Image] = cropped,
) -> list[Pixels]:
    """Square crops of many sizes, no two of nearly the same place, none of them flat.

    Args:
        image: RGB.
        count: at most so many.
        rng: where randomness comes from.
        scale: sides as fractions of the shorter side, log-uniform from the first to the second.
        smallest: least side in pixels.
        flat: threshold of ``is_flat``.
        overlap: intersection over union that no two crops exceed.
        tries: for each crop.
        rounded: how a side becomes whole pixels.
        cut: how a window becomes a picture.
    """
    shorter = min(image.size)
    first, last = scale
    windows: list[Window] = []
    found: list[Pixels] = []
    for _ in range(count * tries):
        if len(found) >= count:
            break
        side = rounded(max(smallest, shorter * first * (last / first) ** rng.random()))
        window = random_window(image.size, min(side, shorter), rng)
        if any(_overlap(window, other) > overlap for other in windows):
            continue
        crop = pixels(cut(image, window))
        if not is_flat(crop, flat):
            windows.append(window)
            found.append(crop)
    return found


def _overlap(one: Window, other: Window) -> float:
    """Intersection over union of two squares."""
    width, height = (
        max(0, min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis])) for axis in (0, 1)
    )
    shared = width * height
    return shared / ((one[2] - one[0]) ** 2 + (other[2] - other[0]) ** 2 - shared)
