"""The labelled tasks: which tiles each is made of, and what their labels are."""

from __future__ import annotations

import random

from PIL import Image

from transfer.data.building import emoji
from transfer.data.building.flags import alike
from transfer.data.building.material import Material
from transfer.data.building.pack.glyphs import bucket, cut, drawn, part
from transfer.data.building.pack.glyphs import category as category_of
from transfer.data.building.pack.photos import GALLERY, Photo
from transfer.data.building.pack.sheets import TEST, TRAIN, Sheet, Tile
from transfer.data.building.pictures import (
    SIDE,
    Box,
    differ,
    fit,
    is_flat,
    pasted,
    pixels,
    random_window,
    square,
)

GALLERY_TILE = 256
LOCATE_TRAIN, LOCATE_TEST = 999, 504
CANVAS = 2 * SIDE
PERSON_TYPES_KEPT = 0.7
LEAST_SKIN = 8.0
NOT_SHOWN = ("1f595",)  # a rude gesture
LARGEST_CATEGORY = 90
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
CELLS = tuple(
    f"{row} {column}"
    for row in ("top", "middle", "bottom")
    for column in ("left", "centre", "right")
)


def skintone(material: Material) -> Sheet:
    """Each person or hand comes in all five tones, so that colour is the only cue."""
    tiles = []
    glyphs = material.glyphs("twemoji")
    for untoned, codes in _people(glyphs).items():
        pictures = [pixels(drawn(glyphs[code])) for code in codes]
        if differ(pictures[0], pictures[-1]) < LEAST_SKIN:
            continue
        # No gesture or profession is in both halves of the split.
        group = emoji.without_tone_and_gender(untoned)
        split = TEST if bucket("person:" + group) < 4 else TRAIN
        for tone, (code, picture) in enumerate(zip(codes, pictures, strict=True)):
            tiles.append(Tile(picture, "twemoji/" + code, tone, split))
    about = "people and hands in five skin tones; test: other kinds of people and hands"
    return Sheet("skintone", about, _by_split(tiles), TONES)


def _people(glyphs: emoji.Glyphs) -> dict[str, list[str]]:
    """A sample of people and hands: the glyphs of each in its five tones, from light to dark."""
    people: dict[str, dict[str, str]] = {}
    for code in sorted(glyphs):
        tone = emoji.skin_tone(code)
        untoned = "-".join(point for point in code.split("-") if point != tone)
        if tone and untoned and untoned not in NOT_SHOWN:
            people.setdefault(untoned, {})[tone] = code
    return {
        untoned: [codes[tone] for tone in emoji.SKIN_TONES]
        for untoned, codes in people.items()
        if len(codes) == len(TONES) and bucket("keep:" + untoned, 100) < 100 * PERSON_TYPES_KEPT
    }


def flags(material: Material) -> Sheet:
    """One picture of each flag to learn from, another vendor's to recognise."""
    iso, twemoji = material.glyphs("iso"), material.glyphs("twemoji")
    common = sorted(iso.keys() & twemoji.keys() & material.meanings.keys())
    cloth = ((5, 16, 59, 48), (18, 12))
    codes = alike(common, [twemoji, iso], drawn, cloth, agreed=45, equal=8)
    tiles = [
        Tile(pixels(drawn(glyphs[code])), f"{vendor}/{code}", label, split)
        for vendor, glyphs, split in (("iso", iso, TRAIN), ("twemoji", twemoji, TEST))
        for label, code in enumerate(codes)
    ]
    names = tuple(material.meanings[code].name.removesuffix(" Flag") for code in codes)
    about = "country flags, one picture each; test: the same flags drawn by another vendor"
    return Sheet("flags", about, tiles, names)


def category(material: Material) -> Sheet:
    """Kinds of things, in the style of a vendor that pretraining never saw."""
    members: dict[str, list[str]] = {}
    for code in sorted(material.meanings):
        name = category_of(material.meanings[code])
        if name is not None:
            members.setdefault(name, []).append(code)
    names = tuple(sorted(members))
    glyphs = material.glyphs("twemoji")
    tiles = []
    for label, name in enumerate(names):
        members[name].sort(key=lambda code: bucket("category:" + code, 1 << 32))
        for code in members[name][:LARGEST_CATEGORY]:
            split = TEST if part(code) == "test" else TRAIN
            tiles.append(Tile(pixels(drawn(glyphs[code])), "twemoji/" + code, label, split))
    about = "kinds of emoji; test: other emoji, which pretraining has not seen from any vendor"
    return Sheet("category", about, _by_split(tiles), names)


def locate(material: Material, photos: list[Photo]) -> Sheet:
    """A glyph somewhere on a landscape: in which of nine cells, and in which box, is it?"""
    rng = random.Random(1)
    tiles = []
    glyphs = material.glyphs("fluent3d")
    train = (TRAIN, "locate train", "locate", LOCATE_TRAIN)
    test = (TEST, "locate test", "test", LOCATE_TEST)
    for split, role, side, count in (train, test):
        scenes = [photo for photo in photos if photo.role == role]
        codes = [
            code for code in sorted(glyphs) if part(code) == side and _stands_out(material, code)
        ]
        cells = [number % 9 for number in range(count)]
        rng.shuffle(cells)
        for cell in cells:
            photo, code = rng.choice(scenes), rng.choice(codes)
            image, box = _pasted(photo, cut(glyphs[code]), cell, rng)
            origin = f"{photo.name}+fluent/{code}"
            picture = pixels(image.resize((SIDE, SIDE), Image.Resampling.BOX))
            tiles.append(Tile(picture, origin, cell, split, box))
    about = "a glyph pasted on a landscape: cell of its centre and box (cx, cy, w, h)"
    return Sheet("locate", about, tiles, CELLS, quality=75)


def _stands_out(material: Material, code: str) -> bool:
    """Whether a glyph is a thing, neither a sign nor a whole scene."""
    return category_of(material.meanings.get(code)) not in (None, "symbol", "place", "sky")


def _pasted(
    photo: Photo, glyph: Image.Image, cell: int, rng: random.Random
) -> tuple[Image.Image, Box]:
    """Paste the glyph with its centre in the given cell, at twice the tile's size."""
    scene = photo.open()
    while True:
        window = random_window(scene.size, rng.randint(200, scene.height), rng)
        ground = square(scene, window, CANVAS)
        if not is_flat(pixels(ground), 12):
            break
    glyph = fit(glyph, round(CANVAS * rng.uniform(0.25, 0.45)))
    row, column = divmod(cell, 3)
    left, top = _start(column, glyph.width, rng), _start(row, glyph.height, rng)
    image, (x, y, width, height) = pasted(ground, glyph, left, top)
    return image, (round(x, 4), round(y, 4), round(width, 4), round(height, 4))


def _start(third: int, length: int, rng: random.Random) -> int:
    """First pixel of an object that lies inside the picture and is centred in the given third."""
    lowest = max(0.0, CANVAS * third / 3 - length / 2)
    highest = min(float(CANVAS - length), CANVAS * (third + 1) / 3 - length / 2)
    margin = 1
    return rng.randint(int(lowest) + margin, int(highest) - margin)


def gallery(photos: list[Photo]) -> Sheet:
    """Photographs to look at, larger than the other tiles."""
    by_name = {photo.name: photo for photo in photos}
    tiles = []
    for name, (x, y, side) in GALLERY.items():
        image = by_name[name].open()
        height = image.height
        left, top = height * (x - side / 2), height * (y - side / 2)
        window = (left, top, left + height * side, top + height * side)
        tiles.append(Tile(pixels(square(image, window, GALLERY_TILE)), name))
    about = "photographs for figures, none of which is in another task"
    return Sheet("gallery", about, tiles, quality=82)


def _by_split(tiles: list[Tile]) -> list[Tile]:
    """Training tiles first, otherwise in the order given."""
    return sorted(tiles, key=lambda tile: tile.split or TRAIN)
