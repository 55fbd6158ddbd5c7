"""The labelled tasks: which tiles each is made of, and what their labels are."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
from glyphs import SKIN_TONES, Emoji, person_type, skin_tone, without_tone
from material import Material
from photos import GALLERY, Photo, Role
from pictures import TILE, Box, bucket, contrast, fit, on_plain, open_rgba, pixels, square
from PIL import Image
from sheets import TEST, TRAIN, Sheet, Tile

GALLERY_TILE = 256
LOCATE_TRAIN, LOCATE_TEST = 999, 504
PERSON_TYPES_KEPT = 0.7
LEAST_SKIN = 8.0
NOT_SHOWN = ("1f595",)  # a rude gesture
LARGEST_CATEGORY = 90
SAME_FLAG, OTHER_DESIGN = 8.0, 45.0
CELLS = tuple(
    f"{row} {column}"
    for row in ("top", "middle", "bottom")
    for column in ("left", "centre", "right")
)


def skintone(material: Material) -> Sheet:
    """Each person or hand comes in all five tones, so that colour is the only cue."""
    tiles = []
    for untoned, keys in _people(material).items():
        images = [on_plain(open_rgba(material.twemoji[key])) for key in keys]
        if np.abs(pixels(images[0]) - pixels(images[-1])).mean() < LEAST_SKIN:
            continue
        split = TEST if bucket("person:" + person_type(untoned)) < 4 else TRAIN
        for tone, (key, image) in enumerate(zip(keys, images, strict=True)):
            tiles.append(Tile(image, "twemoji/" + key, tone, split))
    about = "people and hands in five skin tones; test: other kinds of people and hands"
    return Sheet("skintone", about, by_split(tiles), tuple(SKIN_TONES.values()))


def _people(material: Material) -> dict[str, list[str]]:
    """A sample of people and hands: the glyphs of each in its five tones, from light to dark."""
    people: dict[str, list[str]] = {}
    for key in material.twemoji:
        untoned = without_tone(key)
        if skin_tone(key) and untoned and untoned not in NOT_SHOWN:
            people.setdefault(untoned, []).append(key)
    return {
        untoned: sorted(keys, key=lambda key: skin_tone(key) or "")
        for untoned, keys in people.items()
        if len(keys) == len(SKIN_TONES) and bucket("keep:" + untoned, 100) < 100 * PERSON_TYPES_KEPT
    }


def flags(material: Material) -> Sheet:
    """One picture of each flag to learn from, another vendor's to recognise."""
    tiles: list[Tile] = []
    names: list[str] = []
    for key in _distinct_flags(material):
        for vendor, data, split in (
            ("iso", material.flags[key], TRAIN),
            ("twemoji", material.twemoji[key], TEST),
        ):
            tiles.append(Tile(on_plain(open_rgba(data)), f"{vendor}/{key}", len(names), split))
        names.append(material.emoji[key].name.removesuffix(" Flag"))
    about = "country flags, one picture each; test: the same flags drawn by another vendor"
    return Sheet("flags", about, by_split(tiles), tuple(names))


def _distinct_flags(material: Material) -> list[str]:
    """Flags that both vendors draw alike and that differ from every flag before them."""

    def thumb(data: bytes) -> Image.Image:
        cloth = on_plain(open_rgba(data)).crop((5, 16, 59, 48))
        return cloth.resize((18, 12), Image.Resampling.BOX)

    kept: list[str] = []
    seen: list[npt.NDArray[np.float32]] = []
    for key in sorted(material.flags.keys() & material.twemoji.keys() & material.emoji.keys()):
        learnt, asked = pixels(thumb(material.flags[key])), pixels(thumb(material.twemoji[key]))
        if np.abs(learnt - asked).mean() > OTHER_DESIGN:
            continue
        if all(np.abs(asked - other).mean() > SAME_FLAG for other in seen):
            kept.append(key)
            seen.append(asked)
    return kept


def category(material: Material) -> Sheet:
    """Kinds of things, in the style of a vendor that pretraining never saw."""
    names = sorted({emoji.category for emoji in material.emoji.values() if emoji.category})
    tiles = []
    for name in names:
        members = [emoji for emoji in material.emoji.values() if emoji.category == name]
        members.sort(key=lambda emoji: bucket("category:" + emoji.key, 1 << 32))
        for emoji in members[:LARGEST_CATEGORY]:
            image = on_plain(open_rgba(material.twemoji[emoji.key]))
            split = TEST if emoji.part == "test" else TRAIN
            tiles.append(Tile(image, "twemoji/" + emoji.key, names.index(name), split))
    about = "kinds of emoji; test: other emoji, which pretraining has not seen from any vendor"
    return Sheet("category", about, by_split(tiles), tuple(names))


def locate(material: Material) -> Sheet:
    """A glyph somewhere on a landscape: in which of nine cells, and in which box, is it?"""
    rng = random.Random(1)
    tiles = []
    for split, part, count in ((TRAIN, "locate", LOCATE_TRAIN), (TEST, "test", LOCATE_TEST)):
        role: Role = "locate test" if split == TEST else "locate train"
        photos = material.photos_for(role)
        glyphs = [key for key in material.fluent if _stands_out(material, key, part)]
        cells = [number % 9 for number in range(count)]
        rng.shuffle(cells)
        for cell in cells:
            photo, key = rng.choice(photos), rng.choice(glyphs)
            image, box = _paste(photo, open_rgba(material.fluent[key]), cell, rng)
            tiles.append(Tile(image, f"{photo.name}+fluent/{key}", cell, split, box))
    about = "a glyph pasted on a landscape: cell of its centre and box (cx, cy, w, h)"
    return Sheet("locate", about, tiles, CELLS, quality=75)


def _stands_out(material: Material, key: str, part: str) -> bool:
    """A thing on the wanted side of the split that is neither a sign nor a whole scene."""
    emoji: Emoji | None = material.emoji.get(key)
    if emoji is None or emoji.part != part:
        return False
    return emoji.category is not None and emoji.category not in ("symbol", "place", "sky")


def _paste(
    photo: Photo, glyph: Image.Image, cell: int, rng: random.Random
) -> tuple[Image.Image, Box]:
    """Paste the glyph with its centre in the given cell, at twice the tile's size, then halve."""
    size = 2 * TILE
    scene = photo.open()
    while True:
        side = rng.randint(200, scene.height)
        left, top = rng.randint(0, scene.width - side), rng.randint(0, scene.height - side)
        ground = square(scene, left, top, side, size).convert("RGBA")
        if contrast(ground) >= 12:
            break
    pasted = fit(glyph, round(size * rng.uniform(0.25, 0.45)))
    row, column = divmod(cell, 3)
    x = _start(column, pasted.width, size, rng)
    y = _start(row, pasted.height, size, rng)
    ground.alpha_composite(pasted, (x, y))
    box = (
        round((x + pasted.width / 2) / size, 4),
        round((y + pasted.height / 2) / size, 4),
        round(pasted.width / size, 4),
        round(pasted.height / size, 4),
    )
    return ground.convert("RGB").resize((TILE, TILE), Image.Resampling.BOX), box


def _start(third: int, length: int, size: int, rng: random.Random) -> int:
    """First pixel of an object that lies inside the picture and is centred in the given third."""
    lowest = max(0.0, size * third / 3 - length / 2)
    highest = min(float(size - length), size * (third + 1) / 3 - length / 2)
    margin = 1
    return rng.randint(int(lowest) + margin, int(highest) - margin)


def gallery(material: Material) -> Sheet:
    """Photographs to look at, larger than the other tiles."""
    photos = {photo.name: photo for photo in material.photos_for("gallery")}
    tiles = []
    for name, (x, y, side) in GALLERY.items():
        image = photos[name].open()
        height = image.height
        left, top = height * (x - side / 2), height * (y - side / 2)
        tiles.append(Tile(square(image, left, top, height * side, GALLERY_TILE), name))
    about = "photographs for figures, none of which is in another task"
    return Sheet("gallery", about, tiles, quality=82)


def by_split(tiles: list[Tile]) -> list[Tile]:
    """Training tiles first, otherwise in the order given."""
    return sorted(tiles, key=lambda tile: tile.split or TRAIN)
