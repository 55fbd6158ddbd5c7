"""Small image helpers: cut out, crop, compare."""

from __future__ import annotations

import colorsys
import hashlib
import io
import random

import numpy as np
import numpy.typing as npt
from PIL import Image

Image.MAX_IMAGE_PIXELS = None  # a few drawings are huge; they are skipped by size, undecoded
TILE = 64
WHITE = (255, 255, 255)
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


def bucket(text: str, count: int = 10) -> int:
    """A number below count that depends on the text alone: splits stay put as sources grow."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % count


def open_rgba(data: bytes) -> Image.Image:
    """Decode a picture, alpha included, trimmed to what is visible."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    visible = image.getchannel("A").point(lambda alpha: 255 if alpha > 16 else 0).getbbox()
    return image.crop(visible) if visible else image


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture, without the cost of decoding it."""
    width, height = Image.open(io.BytesIO(data)).size
    return int(width), int(height)


def fit(image: Image.Image, longest: int) -> Image.Image:
    """Resize so that the longer side has the given length."""
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def on_plain(cutout: Image.Image, background: Colour = WHITE, fill: float = 0.92) -> Image.Image:
    """Centre a cut-out picture on a plain square tile."""
    small = fit(cutout, round(fill * TILE))
    tile = Image.new("RGBA", (TILE, TILE), (*background, 255))
    tile.alpha_composite(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return tile.convert("RGB")


def pastel(rng: random.Random) -> Colour:
    """A random light colour, so that colour statistics are not those of white paper alone."""
    channels = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.12, 0.35), rng.uniform(0.88, 1))
    red, green, blue = (round(255 * channel) for channel in channels)
    return red, green, blue


def square(image: Image.Image, left: float, top: float, side: float, size: int) -> Image.Image:
    """Cut a square out of a photograph and scale it to size x size."""
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def pixels(image: Image.Image) -> npt.NDArray[np.float32]:
    """RGB values as floats, height x width x 3."""
    return np.asarray(image.convert("RGB"), dtype=np.float32)


def contrast(image: Image.Image) -> float:
    """Standard deviation of the brightness: near 0 for a blank picture."""
    return float(pixels(image).mean(axis=2).std())


def colourfulness(image: Image.Image) -> float:
    """Mean spread between the largest and the smallest channel: 0 for a grey picture."""
    values = pixels(image)
    return float((values.max(axis=2) - values.min(axis=2)).mean())


class Distinct:
    """Remembers thumbnails and refuses pictures that are nearly equal to an earlier one."""

    def __init__(self, threshold: float, side: int = 8) -> None:
        self.threshold = threshold
        self.side = side
        self._seen: list[npt.NDArray[np.float32]] = []

    def add(self, image: Image.Image) -> bool:
        """Keep the picture and return True, unless one like it is already kept."""
        thumb = pixels(image.resize((self.side, self.side), Image.Resampling.BOX))
        if self._seen:
            distances = np.abs(np.stack(self._seen) - thumb).mean(axis=(1, 2, 3))
            if float(distances.min()) < self.threshold:
                return False
        self._seen.append(thumb)
        return True


def overlap(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """Intersection over union of two squares given as (left, top, side)."""
    (x0, y0, side0), (x1, y1, side1) = first, second
    width = min(x0 + side0, x1 + side1) - max(x0, x1)
    height = min(y0 + side0, y1 + side1) - max(y0, y1)
    shared = max(0, width) * max(0, height)
    return shared / (side0**2 + side1**2 - shared)


def random_crops(
    photo: Image.Image, count: int, rng: random.Random, smallest: float, min_contrast: float = 18
) -> list[Image.Image]:
    """Up to count square crops of many sizes: no blank ones, no two of nearly the same place."""
    shorter = min(photo.size)
    places: list[tuple[int, int, int]] = []
    tiles: list[Image.Image] = []
    for _ in range(8 * count):
        if len(tiles) == count:
            break
        side = round(shorter * smallest ** rng.random())
        left = rng.randint(0, photo.width - side)
        top = rng.randint(0, photo.height - side)
        place = (left, top, side)
        if any(overlap(place, other) > 0.4 for other in places):
            continue
        tile = square(photo, left, top, side, TILE)
        if contrast(tile) >= min_contrast:
            places.append(place)
            tiles.append(tile)
    return tiles
