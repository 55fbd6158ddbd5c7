"""Where on a texture or landscape a piece of another one is pasted: the cell, and its box."""

from __future__ import annotations

import random

import numpy as np
from _shared import positions
from PIL import Image

from transfer.data.building.folds import group_folds
from transfer.data.building.material import Material
from transfer.data.building.materials import family
from transfer.data.building.packages import ENDLESS_SKY, TEXTURES
from transfer.data.building.photographs import landscapes
from transfer.data.building.pictures import Pixels, photograph, random_crops
from transfer.data.building.rows import Built, Columns

PACKAGES = (TEXTURES, ENDLESS_SKY)
COUNT = 3000  # of each half
CROPS = 8  # of each texture and landscape at most
CLASSES = [f"cell{row}{column}" for row in range(3) for column in range(3)]


def build(material: Material) -> Built:
    """Pictures that no method is pretrained on; no series of them is in both halves.

    ``fold`` is the half, ``group`` the series of the ground, ``box`` is centre x, centre y, width,
    height as fractions.
    """
    rng = random.Random(11)
    crops = _crops(material, rng)
    names = sorted(crops)
    halves = dict(zip(names, group_folds(names, [name[:4] for name in names], 2), strict=True))
    parts, columns = [], Columns(fold=[], box=[], group=[])
    for half in (0, 1):
        ours = [name for name in names if halves[name] == half]
        pairs = [rng.sample(ours, 2) for _ in range(COUNT)]
        chosen = ([rng.choice(crops[name]) for name in pair] for pair in pairs)
        grounds, patches = (np.stack(each) for each in zip(*chosen, strict=True))
        parts.append(positions.patched(grounds, patches, seed=half))
        columns["fold"] += [half] * COUNT
        columns["box"] += parts[-1].boxes.round(4).tolist()
        columns["group"] += [ground for ground, _ in pairs]
    labels = np.concatenate([part.cells for part in parts]).tolist()
    return Built(np.concatenate([part.images for part in parts]), labels, list(CLASSES), columns)


def _crops(material: Material, rng: random.Random) -> dict[str, list[Pixels]]:
    """Crops of the textures of the materials task, by series, and of landscapes, by name."""
    crops: dict[str, list[Pixels]] = {}
    for texture in material.textures:
        if texture.material:
            name = f"texture {texture.material}:{family(texture.stem)}"
            crops.setdefault(name, []).extend(_of(texture.image(), rng))
    for name, data in landscapes(material.archives):
        crops[f"landscape {name}"] = _of(photograph(data), rng)
    return {name: found for name, found in crops.items() if found}


def _of(image: Image.Image, rng: random.Random) -> list[Pixels]:
    return random_crops(image, CROPS, rng, scale=(0.4, 1.0), smallest=64)
