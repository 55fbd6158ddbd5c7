"""Which material a photo-sourced texture shows."""

from __future__ import annotations

import random
import re
from collections import Counter

from transfer.data.building.folds import group_folds, merge_near_copies
from transfer.data.building.material import Material
from transfer.data.building.packages import TEXTURES
from transfer.data.building.pictures import random_crops
from transfer.data.building.rows import Built, built

PACKAGES = (TEXTURES,)
SMALLEST_CLASS = 30


def build(material: Material) -> Built:
    """Two crops of each texture; folds keep numbered families and near copies together."""
    rng = random.Random(3)
    rows = []
    for texture in material.textures:
        if texture.material:
            for crop in random_crops(texture.image(), 2, rng, scale=(0.5, 1.0), smallest=64):
                rows.append((crop, texture.material, family(texture.stem), texture.name))
    size = Counter(kind for _, kind, _, _ in rows)
    rows = [row for row in rows if size[row[1]] >= SMALLEST_CLASS]
    pictures, kinds, families, names = (list(column) for column in zip(*rows, strict=True))
    groups = [f"{kind}:{family}" for kind, family in zip(kinds, families, strict=True)]
    groups = merge_near_copies(pictures, groups, 5)
    folds = group_folds(groups, kinds)
    return built(pictures, kinds, sorted(set(kinds)), fold=folds, group=groups, name=names)


def family(stem: str) -> str:
    """What textures of one series share: ``brick_old2`` of ``brick_old2b``."""
    numbered = re.match(r"^[a-z_]*?\d+", stem)
    return numbered.group() if numbered else re.sub(r"[\d_]+.*$", "", stem) or stem
