"""Pictures whose label is a place, made of other pictures: colours alone do not tell it.

Where a patch is pasted, or which of two views of a picture was cropped further up or further left.
Every label is drawn independently of what the pictures show, and NumPy's old generator draws, whose
stream is frozen for good: the same pictures give the same task on every machine.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
CELLS = 3
"""A picture has so many rows and columns of places."""
SMALLEST, LARGEST = 0.3, 0.42
"""Sides of a pasted patch, as fractions of the picture's."""
VIEW = 0.7
"""Side of a view, as a fraction of the picture's."""
APART = 0.03
"""Least distance of two views along either axis, as a fraction of the picture's side."""


class Patched(NamedTuple):
    """Pictures with a patch each.

    Args:
        images: uint8 ``(N, 3, S, S)``.
        cells: number of the place of the patch's centre, row by row, ``(N,)``.
        boxes: ``(N, 4)``: centre x, centre y, width, height as fractions of the picture.
    """

    images: Array
    cells: Array
    boxes: Array


class Views(NamedTuple):
    """Pairs of views of one picture each, none of them mirrored.

    Args:
        images: uint8 ``(2 N, 3, S, S)``: first and second view in turn.
        above: 1 where the second lies further up, else 0, ``(N,)``.
        left: 1 where the second lies further left, else 0, ``(N,)``.
    """

    images: Array
    above: Array
    left: Array


def patched(grounds: Array, patches: Array, seed: int) -> Patched:
    """Paste a patch at a random place of each ground, in every cell equally often.

    Args:
        grounds: uint8 ``(N, 3, S, S)``.
        patches: likewise: whole pictures, made smaller.
        seed: of places and sizes.

    Example:
        >>> grounds, patches = np.zeros((9, 3, 64, 64), np.uint8), np.ones((9, 3, 64, 64), np.uint8)
        >>> sorted(patched(grounds, patches, seed=0).cells.tolist())
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    random = np.random.RandomState(seed)
    count, size = len(grounds), grounds.shape[-1]
    cells = random.permutation(np.arange(count) % CELLS**2)
    images, boxes = grounds.copy(), np.empty((count, 4), np.float32)
    for row, cell in enumerate(cells):
        side = round(size * random.uniform(SMALLEST, LARGEST))
        top, left = (_start(third, side, size, random) for third in divmod(int(cell), CELLS))
        images[row, :, top : top + side, left : left + side] = resized(patches[row], side)
        boxes[row] = np.array([left + side / 2, top + side / 2, side, side]) / size
    return Patched(images, cells, boxes)


def ordered_views(pictures: Array, seed: int) -> Views:
    """Crop two views of each picture, of one size and apart along both axes.

    Half of the pictures are turned upside down and half are mirrored before: else the colours of
    sky and ground would tell what lies above.

    Args:
        pictures: uint8 ``(N, 3, S, S)``.
        seed: of the places.

    Example:
        >>> ordered_views(np.zeros((5, 3, 64, 64), np.uint8), seed=0).images.shape
        (10, 3, 64, 64)
    """
    random = np.random.RandomState(seed)
    size = pictures.shape[-1]
    side, least = round(VIEW * size), round(APART * size)
    images = np.empty((2 * len(pictures), *pictures.shape[1:]), np.uint8)
    starts = np.empty((len(pictures), 2, 2), int)  # picture, view, axis
    turned = [picture[:, :: _sign(random), :: _sign(random)] for picture in pictures]
    for row in range(len(pictures)):
        for axis in range(2):
            starts[row, :, axis] = _two_starts(size - side, least, random)
        for view, (top, left) in enumerate(starts[row]):
            crop = turned[row][:, top : top + side, left : left + side]
            images[2 * row + view] = resized(crop, size)
    above, left_of = (starts[:, 1] < starts[:, 0]).astype(int).T
    return Views(images, above, left_of)


def resized(picture: Array, side: int) -> Array:
    """Resize a picture, uint8 ``(3, S, S)``, to ``side`` × ``side``."""
    image = Image.fromarray(picture.transpose(1, 2, 0))
    small = image.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small).transpose(2, 0, 1)


def _start(third: int, side: int, size: int, random: np.random.RandomState) -> int:
    """First pixel of what lies inside the picture and has its centre in the given third."""
    lowest = max(0, int(np.ceil(size * third / CELLS - side / 2)))
    highest = min(size - side, int(np.ceil(size * (third + 1) / CELLS - side / 2)) - 1)
    return int(random.randint(lowest, highest + 1))


def _sign(random: np.random.RandomState) -> int:
    return 1 if random.randint(2) else -1


def _two_starts(most: int, least: int, random: np.random.RandomState) -> tuple[int, int]:
    """Two first pixels from 0 to ``most``, at least ``least`` apart, either order alike."""
    apart = int(random.randint(least, most + 1))
    first = int(random.randint(0, most - apart + 1))
    return (first, first + apart) if random.randint(2) else (first + apart, first)
