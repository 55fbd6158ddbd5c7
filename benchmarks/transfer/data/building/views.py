"""Which of two views of a drawing lies further up, and which further left."""

from __future__ import annotations

import random

import numpy as np
from _shared import positions

from transfer.data.building.emoji import Vendor, is_thing, is_unseen
from transfer.data.building.folds import bucket
from transfer.data.building.material import Material
from transfer.data.building.packages import FLUENT, GEMOJIONE, NOTO, TWEMOJI
from transfer.data.building.pictures import Pixels, cutout, pixels
from transfer.data.building.rows import Built, Columns

PACKAGES = (TWEMOJI, GEMOJIONE, NOTO, FLUENT)
VENDORS: tuple[Vendor, ...] = ("twemoji", "emojione", "noto", "fluent3d")
COUNT = 2000  # pairs of each half


def build(material: Material) -> Built:
    """Glyphs that no method is pretrained on, whoever drew them; none is in both halves.

    A row is a view, two in turn are a pair: ``labels`` says in both whether the second lies
    further up, ``left`` whether further left; ``fold`` is the half, ``group`` the glyph.
    """
    rng = random.Random(12)
    drawn = _drawn(material)
    parts, columns = [], Columns(fold=[], left=[], group=[])
    for half in (0, 1):
        ours = [each for each in drawn if bucket("views:" + each[0], 2) == half]
        codes, pictures = zip(*(rng.choice(ours) for _ in range(COUNT)), strict=True)
        parts.append(positions.ordered_views(np.stack(pictures), seed=half))
        columns["fold"] += [half] * (2 * COUNT)
        columns["left"] += parts[-1].left.repeat(2).tolist()
        columns["group"] += [code for code in codes for _ in range(2)]
    labels = np.concatenate([part.above for part in parts]).repeat(2).tolist()
    images = np.concatenate([part.images for part in parts])
    return Built(images, labels, ["below", "above"], columns)


def _drawn(material: Material) -> list[tuple[str, Pixels]]:
    """Code points and pictures, vendor by vendor."""
    found = []
    for vendor in VENDORS:
        glyphs = material.glyphs(vendor)
        for code in sorted(glyphs):
            if is_unseen(code) and is_thing(material.meanings.get(code)):
                image = cutout(glyphs[code])
                if image is not None:
                    found.append((code, pixels(image)))
    return found
