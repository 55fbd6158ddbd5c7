"""Emoji by code point: pictures of three vendors, metadata, and the split every task shares.

A code point belongs to one part of the split whichever vendor drew it, so that a picture from a
test split cannot slip into pretraining as another vendor's drawing of the same thing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from pictures import bucket
from sources import FLUENT, NOTO, TWEMOJI, Cache, Source

SKIN_TONES = {
    "1f3fb": "light",
    "1f3fc": "medium-light",
    "1f3fd": "medium",
    "1f3fe": "medium-dark",
    "1f3ff": "dark",
}
_FOLDERS = {
    NOTO.package: r"/img/google/64/.*\.png$",
    TWEMOJI.package: r"/img/twitter/64/.*\.png$",
    FLUENT.package: r"/assets/.*\.webp$",
}
_CATEGORIES = {
    "mammal": ("animal-mammal", "monkey-face"),
    "other animal": (
        "animal-bird",
        "animal-marine",
        "animal-bug",
        "animal-reptile",
        "animal-amphibian",
    ),
    "plant": ("plant-flower", "plant-other"),
    "fruit, vegetable": ("food-fruit", "food-vegetable"),
    "meal, drink": ("food-prepared", "food-asian", "food-sweet", "drink"),
    "vehicle": ("transport-ground", "transport-air", "transport-water"),
    "place": ("place-building", "place-other", "place-geographic", "place-religious"),
    "sky": ("sky & weather",),
    "clothing": ("clothing",),
    "sport, game": ("sport", "game"),
    "device": (
        "computer",
        "phone",
        "light & video",
        "sound",
        "music",
        "musical-instrument",
    ),
    "tool, household": ("tool", "household"),
    "symbol": ("alphanum", "geometric", "arrow", "av-symbol", "transport-sign", "zodiac"),
}
_CLASS_OF = {sub: name for name, subs in _CATEGORIES.items() for sub in subs}

Part = Literal["pretrain", "locate", "test"]


@dataclass(frozen=True)
class Emoji:
    """What the metadata says of a code point (without its skin-toned forms)."""

    key: str
    name: str
    group: str
    subgroup: str

    @property
    def is_thing(self) -> bool:
        """Not a person, a hand or a flag: those belong to other tasks."""
        return self.group not in ("People & Body", "Flags", "Component")

    @property
    def category(self) -> str | None:
        """Class in the category task, if any."""
        if not self.is_thing:
            return None
        return "face" if self.subgroup.startswith("face-") else _CLASS_OF.get(self.subgroup)

    @property
    def part(self) -> Part:
        """Part of the split: 3 in 10 for tests, 1 in 10 to train locate, the rest to pretrain."""
        number = bucket("part:" + self.key)
        return "test" if number < 3 else "locate" if number == 3 else "pretrain"


def key_of(path: str) -> str:
    """Code points of a picture's file name, without the variation selector vendors disagree on."""
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    return "-".join(point for point in stem.split("-") if point != "fe0f")


def load_pictures(cache: Cache, source: Source) -> dict[str, bytes]:
    """All glyphs of a vendor, by code point."""
    found = cache.read(source, _FOLDERS[source.package])
    return dict(sorted((key_of(path), data) for path, data in found.items()))


def load_metadata(cache: Cache) -> dict[str, Emoji]:
    """Names and categories, by code point."""
    (data,) = cache.read(NOTO, r"^package/emoji\.json$").values()
    rows = ((key_of(row["image"]), row) for row in json.loads(data))
    return {
        key: Emoji(key, row["name"] or key, row["category"], row["subcategory"])
        for key, row in sorted(rows, key=lambda pair: pair[0])
    }


def skin_tone(key: str) -> str | None:
    """The tone of a glyph with exactly one skin-tone modifier."""
    tones = [point for point in key.split("-") if point in SKIN_TONES]
    return tones[0] if len(tones) == 1 else None


def without_tone(key: str) -> str:
    """The key without its skin-tone modifiers: the same person or hand, whatever the tone."""
    return "-".join(point for point in key.split("-") if point not in SKIN_TONES)


def person_type(key: str) -> str:
    """What a person or hand glyph shows, whatever the tone and the gender.

    The skin-tone split goes by this, so that no gesture or profession is in both of its halves.
    """
    gender = r"1f46[6-9]|1f9d[12]|2640|2642|200d|27a1"
    points = without_tone(key).split("-")
    return "-".join(point for point in points if not re.fullmatch(gender, point)) or "person"


def country_key(code: str) -> str:
    """Code points of the flag of a two-letter country code."""
    return "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in code.lower())
