"""Where on a landscape a cut-out photograph is pasted: the cell, and its box."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from PIL import Image, ImageOps

from transfer.data.building import pictures
from transfer.data.building.folds import bucket
from transfer.data.building.material import Material
from transfer.data.building.packages import ENDLESS_SKY, STAMPS
from transfer.data.building.photographs import landscapes
from transfer.data.building.rows import Built, Columns, built
from transfer.data.building.stamps import Stamp

PACKAGES = (ENDLESS_SKY, STAMPS)
COUNTS = {0: 4000, 1: 1500}  # by split: to train, to test
HALF = 4000  # pictures of each half
CANVAS = 128


def build(material: Material) -> Built:
    """Stamps on landscapes; those to test on are in no picture to train on.

    ``box`` is centre x, centre y, width, height as fractions; ``group`` names the landscape.
    """
    return _built(material, random.Random(9), "split", COUNTS, lambda text: int(_is_test(text)))


def build_halves(material: Material) -> Built:
    """The same, to test on all landscapes and stamps: none is in both halves.

    ``fold`` is the half, everything else as in :func:`build`.
    """
    return _built(
        material, random.Random(10), "fold", {0: HALF, 1: HALF}, lambda text: bucket(text, 2)
    )


def _built(
    material: Material,
    rng: random.Random,
    column: str,
    counts: Mapping[int, int],
    part_of: Callable[[str], int],
) -> Built:
    grounds = [(name, pictures.photograph(data)) for name, data in landscapes(material.archives)]
    found, kinds = [], []
    columns = Columns({column: [], "box": [], "object": [], "group": []})
    for part, count in counts.items():
        ours = [ground for ground in grounds if part_of("bg:" + ground[0]) == part]
        stamps = [stamp for stamp in material.stamps if part_of("fg:" + stamp.name) == part]
        for _ in range(count):
            name, ground = rng.choice(ours)
            canvas = _canvas(ground, rng)
            stamp = rng.choice(stamps)
            image, box = _pasted(stamp, canvas, rng)
            found.append(pictures.pixels(pictures.square(image)))
            kinds.append(f"cell{_third(box[1])}{_third(box[0])}")
            row = (part, [round(value, 4) for value in box], stamp.kind, name)
            for values, value in zip(columns.values(), row, strict=True):
                values.append(value)
    classes = [f"cell{row}{column}" for row in range(3) for column in range(3)]
    return built(found, kinds, classes, **columns)


def _is_test(text: str) -> bool:
    return bucket(text, 10) < 3


def _canvas(image: Image.Image, rng: random.Random) -> Image.Image:
    """A random square of a landscape."""
    window = pictures.random_window(image.size, rng.randint(200, image.height), rng)
    return pictures.square(image.crop(window), side=CANVAS)


def _pasted(
    stamp: Stamp, canvas: Image.Image, rng: random.Random
) -> tuple[Image.Image, pictures.Box]:
    """Paste a stamp at a random place, size and side."""
    cut = pictures.fit(stamp.cut, rng.uniform(0.28, 0.5) * CANVAS, least=4)
    if rng.random() < 0.5:
        cut = ImageOps.mirror(cut)
    left, top = rng.randint(0, CANVAS - cut.width), rng.randint(0, CANVAS - cut.height)
    return pictures.pasted(canvas, cut, left, top)


def _third(centre: float) -> int:
    """Which third of the reachable places a centre is in."""
    return min(2, max(0, int((centre - 0.15) / 0.7 * 3)))
