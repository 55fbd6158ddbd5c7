"""Emoji glyphs of four vendors, by code point, and what is known of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from transfer.data.offline_build.folds import bucket
from transfer.data.offline_build.packages import (
    FLUENT,
    GEMOJIONE,
    NOTO,
    TWEMOJI,
    Archives,
    Member,
    Package,
)
from transfer.data.offline_build.pictures import cutout, pixels
from transfer.data.offline_build.rows import Row

Glyphs = dict[str, bytes]  # code points → PNG or WebP
Vendor = Literal["twemoji", "noto", "emojione", "fluent3d"]
VENDORS: dict[Vendor, tuple[Package, str]] = {
    "twemoji": (TWEMOJI, r"/img/twitter/64/"),
    "noto": (NOTO, r"/img/google/64/"),
    "emojione": (GEMOJIONE, r"/assets/png/[^/]*\.png$"),
    "fluent3d": (FLUENT, r"/assets/"),
}
SKIN_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")


class Meaning(NamedTuple):
    """What Unicode says of a glyph."""

    category: str
    subcategory: str
    name: str


def code_points(file_name: str) -> str:
    """A glyph's code points as hyphened hexadecimals, the same whoever drew it."""
    stem = PurePosixPath(file_name).name.rsplit(".", 1)[0].lower()
    return "-".join(part for part in stem.split("-") if part != "fe0f")


def glyphs(members: Iterable[Member]) -> Glyphs:
    """Files of a package by code points."""
    return {code_points(path): data for path, data in members}


def meanings(archives: Archives) -> dict[str, Meaning]:
    """Category, subcategory and name by code points."""
    ((_, data),) = archives.members(NOTO, r"package/emoji\.json$")
    return {
        code_points(entry["image"]): Meaning(entry["category"], entry["subcategory"], entry["name"])
        for entry in json.loads(data)
    }


def is_unseen(code: str) -> bool:
    """Whether a glyph is for testing: three in ten, never pretrained on, whoever drew it."""
    return bucket("glyph:" + code, 10) < 3


def is_flag(code: str) -> bool:
    """Whether a glyph is a flag; those are kept for a task."""
    return bool(re.match(r"1f1[ef].-1f1[ef].$", code)) or code.startswith("1f3f4")


def has_skin_tone(code: str) -> bool:
    """Whether a glyph has a skin tone; those are kept for a task."""
    return any(tone in code for tone in SKIN_TONES)


def rows(glyphs: Glyphs, source: str, meanings: dict[str, Meaning]) -> Iterator[Row]:
    """Glyphs to pretrain on; their class is the Unicode subcategory, whoever drew them."""
    for code in sorted(glyphs):
        if is_flag(code) or has_skin_tone(code) or is_unseen(code):
            continue
        image = cutout(glyphs[code])
        if image is not None:
            kind = meanings[code].subcategory if code in meanings else "other"
            yield Row(pixels(image), source, code, "emoji", kind)
