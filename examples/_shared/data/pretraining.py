"""The unlabelled pictures: half crops of photographs, half drawings of single things."""

from __future__ import annotations

import random

from glyphs import Emoji
from material import Material
from pictures import (
    WHITE,
    Distinct,
    colourfulness,
    contrast,
    on_plain,
    open_rgba,
    pastel,
    random_crops,
    size_of,
)
from sheets import Sheet, Tile

CROPS_KRANK = 22
CROPS_LANDSCAPE = 9
GLYPHS_PER_VENDOR = 480
CLIPART = 440


def pretrain(material: Material) -> Sheet:
    """All unlabelled tiles in a random order, so that any prefix is a fair sample."""
    rng = random.Random(0)
    distinct = Distinct(threshold=5)
    tiles = _photo_crops(material, rng, distinct)
    tiles += _glyphs(material, rng, distinct)
    tiles += _clipart(material, rng, distinct)
    rng.shuffle(tiles)
    about = "unlabelled crops of photographs, emoji and clip art, for self-supervised training"
    return Sheet("pretrain", about, tiles, quality=76)


def _photo_crops(material: Material, rng: random.Random, distinct: Distinct) -> list[Tile]:
    """Multi-scale crops; the underwater photographs are 4 times larger and so give more."""
    tiles = []
    for photo in material.photos_for("pretrain"):
        large = photo.name.startswith("krank/")
        count, smallest = (CROPS_KRANK, 0.14) if large else (CROPS_LANDSCAPE, 0.3)
        for crop in random_crops(photo.open(), count, rng, smallest):
            if distinct.add(crop):
                tiles.append(Tile(crop, photo.name))
    return tiles


def _background(rng: random.Random) -> tuple[int, int, int]:
    return pastel(rng) if rng.random() < 0.3 else WHITE


def _may_be_seen(emoji: Emoji | None) -> bool:
    """Only things on the pretraining side of the split; skin-toned forms have no entry at all."""
    return emoji is not None and emoji.is_thing and emoji.part == "pretrain"


def _glyphs(material: Material, rng: random.Random, distinct: Distinct) -> list[Tile]:
    tiles = []
    for vendor, pictures in (("noto", material.noto), ("fluent", material.fluent)):
        keys = [key for key in pictures if _may_be_seen(material.emoji.get(key))]
        rng.shuffle(keys)
        kept = 0
        for key in keys:
            tile = on_plain(open_rgba(pictures[key]), _background(rng))
            if kept < GLYPHS_PER_VENDOR and distinct.add(tile):
                tiles.append(Tile(tile, f"{vendor}/{key}"))
                kept += 1
    return tiles


def _clipart(material: Material, rng: random.Random, distinct: Distinct) -> list[Tile]:
    """Colourful drawings; those on opaque paper stay on white, where the paper does not show."""
    tiles: list[Tile] = []
    for name, data in material.clipart.items():
        if len(tiles) == CLIPART:
            break
        if not 32 <= min(size_of(data)) <= max(size_of(data)) <= 2048:
            continue
        cutout = open_rgba(data)
        transparent = cutout.getchannel("A").getextrema()[0] == 0
        background = _background(rng)
        plain = on_plain(cutout)
        if colourfulness(plain) < 20 or contrast(plain) < 20 or not distinct.add(plain):
            continue
        tile = on_plain(cutout, background) if transparent else plain
        tiles.append(Tile(tile, f"openclipart/{name}"))
    return tiles
