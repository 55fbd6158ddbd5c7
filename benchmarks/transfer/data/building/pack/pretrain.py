"""The unlabelled pictures: half crops of photographs, half drawings of single things."""

from __future__ import annotations

import random
from colorsys import hsv_to_rgb
from functools import partial

from transfer.data.building.emoji import Vendor, is_thing
from transfer.data.building.material import Material
from transfer.data.building.pack.glyphs import LONGEST, bucket, drawn, part
from transfer.data.building.pack.photos import Photo
from transfer.data.building.pack.sheets import Sheet, Tile
from transfer.data.building.packages import OPENCLIPART
from transfer.data.building.pictures import (
    WHITE,
    Colour,
    Distinct,
    Pixels,
    from_pixels,
    is_flat,
    is_grey,
    on_plain,
    opened,
    pixels,
    random_crops,
    square,
    thumb,
    visible,
)

# How many crops to take of a photograph, and their smallest share of its height.
CROPS = {"krank": (22, 0.14), "endless-sky": (9, 0.3)}
GLYPHS: dict[str, Vendor] = {"noto": "noto", "fluent": "fluent3d"}
GLYPHS_PER_VENDOR = 480
CLIPART = 440
# Drawings of things: no flags, no road signs, no icon themes, no people, no weapons.
_CLIPART = (
    r"/png/(animals|buildings|computer/hardware|containers|education|electronics|food|office"
    r"|geography/astronomy|people/clothing|plants|recreation/(music|party|sports|toys)"
    r"|tools(?!/weapons)|transportation/(boating|vehicles))/"
    # Not a flag, a blank grid, somebody's mascot, a placeholder for a missing picture.
    r"(?!.*(flag|milimetered|domo_kun|duck_yellow_ii_)).*\.png$"
)


def pretrain(material: Material, photos: list[Photo]) -> Sheet:
    """All unlabelled tiles in a random order, so that any prefix is a fair sample."""
    rng = random.Random(0)
    distinct = Distinct(threshold=5)
    tiles = _photo_crops(photos, rng, distinct)
    tiles += _glyphs(material, rng, distinct)
    tiles += _clipart(material, rng, distinct)
    rng.shuffle(tiles)
    about = "unlabelled crops of photographs, emoji and clip art, for self-supervised training"
    return Sheet("pretrain", about, tiles, quality=76)


def _photo_crops(photos: list[Photo], rng: random.Random, distinct: Distinct) -> list[Tile]:
    """Multi-scale crops; the underwater photographs are 4 times larger and so give more."""
    crops = partial(
        random_crops, smallest=1, flat=18, overlap=0.4, tries=8, rounded=round, cut=square
    )
    tiles = []
    for photo in photos:
        if photo.role != "pretrain":
            continue
        count, least = CROPS[photo.name.split("/")[0]]
        for crop in crops(photo.open(), count, rng, scale=(1.0, least)):
            if _is_new(crop, distinct):
                tiles.append(Tile(crop, photo.name))
    return tiles


def _glyphs(material: Material, rng: random.Random, distinct: Distinct) -> list[Tile]:
    """Only things on the pretraining side of the split; skin-toned forms have no meaning at all."""
    tiles = []
    for source, vendor in GLYPHS.items():
        glyphs = material.glyphs(vendor)
        codes = [
            code
            for code in sorted(glyphs)
            if is_thing(material.meanings.get(code)) and part(code) == "pretrain"
        ]
        rng.shuffle(codes)
        kept = 0
        for code in codes:
            picture = pixels(drawn(glyphs[code], _background(rng)))
            if kept < GLYPHS_PER_VENDOR and _is_new(picture, distinct):
                tiles.append(Tile(picture, f"{source}/{code}"))
                kept += 1
    return tiles


def _clipart(material: Material, rng: random.Random, distinct: Distinct) -> list[Tile]:
    """Colourful drawings; those on opaque paper stay on white, where the paper does not show."""
    tiles: list[Tile] = []
    drawings = material.archives.members(OPENCLIPART, _CLIPART)
    # In an order that new drawings do not change.
    for path, data in sorted(drawings, key=lambda member: (bucket(member[0], 1 << 32), member[0])):
        if len(tiles) == CLIPART:
            break
        if not _is_of_common_size(data):
            continue
        background = _background(rng)
        cut = visible(data)
        if cut is None:
            continue
        picture = pixels(on_plain(cut, WHITE, LONGEST))
        if is_grey(picture, 20) or is_flat(picture, 20) or not _is_new(picture, distinct):
            continue
        if cut.getchannel("A").getextrema()[0] == 0:
            picture = pixels(on_plain(cut, background, LONGEST))
        tiles.append(Tile(picture, "openclipart/" + path.split("/png/")[1][:-4]))
    return tiles


def _is_of_common_size(data: bytes) -> bool:
    try:
        size = opened(data).size  # without decoding it
    except OSError:  # a few files are no pictures
        return False
    return bool(32 <= min(size) <= max(size) <= 2048)


def _is_new(picture: Pixels, distinct: Distinct) -> bool:
    return distinct.add(thumb(from_pixels(picture), (8, 8)))


def _background(rng: random.Random) -> Colour:
    """White or a pastel, so that colour statistics are not those of white paper alone."""
    if rng.random() >= 0.3:
        return WHITE
    channels = hsv_to_rgb(rng.random(), rng.uniform(0.12, 0.35), rng.uniform(0.88, 1))
    red, green, blue = (round(255 * channel) for channel in channels)
    return red, green, blue
