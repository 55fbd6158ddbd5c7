"""Emoji glyphs of five vendors, by code point, and what is known of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from transfer.data.building import packages
from transfer.data.building.folds import bucket
from transfer.data.building.packages import Archives, Package
from transfer.data.building.pictures import cutout, pixels
from transfer.data.building.rows import Row

Glyphs = dict[str, bytes]  # code points → PNG or WebP
Vendor = Literal["twemoji", "noto", "emojione", "fluent3d", "iso"]
VENDORS: dict[Vendor, tuple[Package, str]] = {
    "twemoji": (packages.TWEMOJI, r"/img/twitter/64/"),
    "noto": (packages.NOTO, r"/img/google/64/"),
    "emojione": (packages.GEMOJIONE, r"/assets/png/[^/]*\.png$"),
    "fluent3d": (packages.FLUENT, r"/assets/"),
    "iso": (packages.FLAGS, r"/[a-z][a-z]\.png$"),  # flags only, named after countries
}
SKIN_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")
# Person, man, woman, boy, girl, child, their signs, joiner and arrow: not what the glyph shows.
_GENERAL = {
    *("1f468", "1f469", "1f9d1", "1f466", "1f467", "1f9d2"),
    *("2640", "2642", "200d", "27a1"),
}


class Meaning(NamedTuple):
    """What Unicode says of a glyph."""

    category: str
    subcategory: str
    name: str


def code_points(file_name: str) -> str:
    """A glyph's code points as hyphened hexadecimals, the same whoever drew it."""
    stem = PurePosixPath(file_name).name.rsplit(".", 1)[0].lower()
    return "-".join(part for part in stem.split("-") if part != "fe0f")


def flag_of(file_name: str) -> str:
    """Regional indicators of a two-letter country, by which its flag is an emoji."""
    country = PurePosixPath(file_name).stem.lower()
    return "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in country)


def glyphs(archives: Archives, vendor: Vendor) -> Glyphs:
    """A vendor's glyphs by code points."""
    package, pattern = VENDORS[vendor]
    code = flag_of if vendor == "iso" else code_points
    return {code(path): data for path, data in archives.members(package, pattern)}


def meanings(archives: Archives) -> dict[str, Meaning]:
    """Category, subcategory and name by code points."""
    ((_, data),) = archives.members(packages.NOTO, r"package/emoji\.json$")
    return {
        code_points(entry["image"]): Meaning(entry["category"], entry["subcategory"], entry["name"])
        for entry in json.loads(data)
    }


def by_subcategory(kinds: Mapping[str, str]) -> dict[str, str]:
    """Kinds by Unicode subcategory, of lists of subcategories by kind."""
    return {name: kind for kind, names in kinds.items() for name in names.split(", ")}


def is_thing(meaning: Meaning | None) -> bool:
    """Whether a glyph is known and shows no person, hand or flag."""
    return meaning is not None and meaning.category not in ("People & Body", "Flags", "Component")


def kind(meaning: Meaning | None, kinds: Mapping[str, str]) -> str | None:
    """What kind of thing a glyph shows, None if none of these."""
    if meaning is None or not is_thing(meaning):
        return None
    return "face" if meaning.subcategory.startswith("face-") else kinds.get(meaning.subcategory)


def is_unseen(code: str) -> bool:
    """Whether a glyph is for testing: three in ten, never pretrained on, whoever drew it."""
    return bucket("glyph:" + code, 10) < 3


def is_flag(code: str) -> bool:
    """Whether a glyph is a flag; those are kept for a task."""
    return bool(re.match(r"1f1[ef].-1f1[ef].$", code)) or code.startswith("1f3f4")


def has_skin_tone(code: str) -> bool:
    """Whether a glyph has a skin tone; those are kept for a task."""
    return any(tone in code for tone in SKIN_TONES)


def skin_tone(code: str) -> str | None:
    """The tone of a glyph that has exactly one."""
    tones = [part for part in code.split("-") if part in SKIN_TONES]
    return tones[0] if len(tones) == 1 else None


def without_tone_and_gender(code: str) -> str:
    """What a person does or a hand shows, whatever the tone and the gender."""
    parts = (part for part in code.split("-") if part not in _GENERAL and part not in SKIN_TONES)
    return "-".join(parts) or "person"


def rows(glyphs: Glyphs, source: str, meanings: dict[str, Meaning]) -> Iterator[Row]:
    """Glyphs to pretrain on; their class is the Unicode subcategory, whoever drew them."""
    for code in sorted(glyphs):
        if is_flag(code) or has_skin_tone(code) or is_unseen(code):
            continue
        image = cutout(glyphs[code])
        if image is not None:
            kind = meanings[code].subcategory if code in meanings else "other"
            yield Row(pixels(image), source, code, "emoji", kind)
