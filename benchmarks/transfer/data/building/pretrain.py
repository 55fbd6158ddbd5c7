"""The pictures to pretrain on, their classes, and one in ten of them held out."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator

from transfer.data.building import drawings, emoji, photographs, textures
from transfer.data.building.folds import group_folds
from transfer.data.building.material import Material
from transfer.data.building.packages import ENDLESS_SKY, FLUENT, NOTO, TEXTURES
from transfer.data.building.rows import Built, Row, built

PACKAGES = (*photographs.WALLPAPERS, ENDLESS_SKY, TEXTURES, NOTO, FLUENT, *drawings.PACKAGES)
SMALLEST_CLASS = 8
HELD_OUT_OF = 10  # one picture in so many


def build(material: Material) -> Built:
    """Half crops of photographs, a fifth textures, the rest glyphs, clip art and renders.

    The held-out pictures are a tenth of every class. All views of one texture and all drawings of
    one emoji are on the same side; crops of one photograph are on both, and may overlap, since a
    photograph is a class.
    """
    rows = list(without_copies(_rows(material)))
    kinds = class_names(rows)
    classes = sorted(set(kinds))
    groups = [
        f"crop {number}" if row.family == "photo" else f"{row.family} {row.name}"
        for number, row in enumerate(rows)
    ]
    folds = group_folds(groups, kinds, HELD_OUT_OF)
    trained = {kind for kind, fold in zip(kinds, folds, strict=True) if fold > 0}
    return built(
        [row.picture for row in rows],
        kinds,
        classes,
        source=[row.source for row in rows],
        name=[row.name for row in rows],
        group=groups,
        # A class of one group is trained on.
        held_out=[
            int(fold == 0 and kind in trained) for kind, fold in zip(kinds, folds, strict=True)
        ],
    )


def without_copies(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows whose picture has not come before, to the last bit."""
    seen = set()
    for row in rows:
        digest = hashlib.sha256(row.picture.tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield row


def class_names(rows: list[Row]) -> list[str]:
    """Name of every row's class; what has too few pictures is its family's "other"."""
    names = [f"{row.family}: {row.kind}" for row in rows]
    size = Counter(names)
    return [
        name if size[name] >= SMALLEST_CLASS else f"{row.family}: other"
        for name, row in zip(names, rows, strict=True)
    ]


def _rows(material: Material) -> Iterator[Row]:
    rng = random.Random(0)  # one for all: the order of the sources matters
    archives = material.archives
    yield from photographs.wallpaper_rows(archives, rng)
    yield from photographs.endless_sky_rows(archives, rng)
    yield from textures.rows(material.textures, rng)
    yield from emoji.rows(material.glyphs("noto"), "emoji:noto", material.meanings)
    yield from emoji.rows(material.glyphs("fluent3d"), "emoji:fluent3d", material.meanings)
    yield from drawings.clipart_rows(archives)
    yield from drawings.furniture_rows(archives)
