"""Where on a landscape a cut-out photograph is pasted: the cell, and its box."""

from __future__ import annotations

import random
from typing import NamedTuple

from PIL import Image, ImageOps

from transfer.data.offline_build.folds import bucket
from transfer.data.offline_build.material import Material
from transfer.data.offline_build.packages import ENDLESS_SKY, STAMPS
from transfer.data.offline_build.photographs import landscapes
from transfer.data.offline_build.pictures import Pixels, photograph, pixels, square
from transfer.data.offline_build.rows import Built, built
from transfer.data.offline_build.stamps import Stamp

PACKAGES = (ENDLESS_SKY, STAMPS)
COUNTS = {0: 4000, 1: 1500}  # by split: to train, to test
CANVAS = 128
Box = tuple[float, float, float, float]


class Background(NamedTuple):
    """A landscape."""

    name: str
    image: Image.Image


def build(material: Material) -> Built:
    """Stamps on landscapes; those to test on are in no picture to train on.

    ``box`` is centre x, centre y, width, height as fractions; ``group`` names the landscape.
    """
    rng = random.Random(9)
    grounds = [Background(name, photograph(data)) for name, data in landscapes(material.archives)]
    pictures, kinds, boxes, split, objects, groups = [], [], [], [], [], []
    for part, count in COUNTS.items():
        ours = [ground for ground in grounds if _is_test("bg:" + ground.name) == bool(part)]
        stamps = [stamp for stamp in material.stamps if _is_test("fg:" + stamp.name) == bool(part)]
        for _ in range(count):
            ground = rng.choice(ours)
            canvas = _canvas(ground.image, rng)
            stamp = rng.choice(stamps)
            picture, box = _pasted(stamp, canvas, rng)
            pictures.append(picture)
            boxes.append([round(value, 4) for value in box])
            kinds.append(f"cell{_third(box[1])}{_third(box[0])}")
            split.append(part)
            objects.append(stamp.kind)
            groups.append(ground.name)
    classes = [f"cell{row}{column}" for row in range(3) for column in range(3)]
    return built(pictures, kinds, classes, split=split, box=boxes, object=objects, group=groups)


def _is_test(text: str) -> bool:
    return bucket(text, 10) < 3


def _canvas(image: Image.Image, rng: random.Random) -> Image.Image:
    """A random square of a landscape."""
    side = rng.randint(200, image.height)
    left, top = rng.randint(0, image.width - side), rng.randint(0, image.height - side)
    crop = image.crop((left, top, left + side, top + side))
    return crop.resize((CANVAS, CANVAS), Image.Resampling.LANCZOS).convert("RGBA")


def _pasted(stamp: Stamp, canvas: Image.Image, rng: random.Random) -> tuple[Pixels, Box]:
    """Paste a stamp at a random place, size and side."""
    scale = rng.uniform(0.28, 0.5) * CANVAS / max(stamp.cut.size)
    width, height = (max(4, round(length * scale)) for length in stamp.cut.size)
    cut = stamp.cut.resize((width, height), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        cut = ImageOps.mirror(cut)
    left, top = rng.randint(0, CANVAS - width), rng.randint(0, CANVAS - height)
    canvas.alpha_composite(cut, (left, top))
    centre = ((left + width / 2) / CANVAS, (top + height / 2) / CANVAS)
    return pixels(square(canvas.convert("RGB"))), (*centre, width / CANVAS, height / CANVAS)


def _third(centre: float) -> int:
    """Which third of the reachable places a centre is in."""
    return min(2, max(0, int((centre - 0.15) / 0.7 * 3)))
