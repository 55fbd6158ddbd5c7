"""Emoji in the pack: how they are drawn, and the split that every task shares.

A code point belongs to one part of the split whichever vendor drew it, so that a picture from a
test split cannot slip into pretraining as another vendor's drawing of the same thing.
"""

from __future__ import annotations

from typing import Literal

from PIL import Image

from transfer.data.building import folds
from transfer.data.building.emoji import Meaning, by_subcategory, kind
from transfer.data.building.pictures import WHITE, Colour, on_plain, visible

LONGEST = 59
"""Longer side of a drawing in pixels."""
_KINDS = by_subcategory(
    {
        "mammal": "animal-mammal, monkey-face",
        "other animal": "animal-bird, animal-marine, animal-bug, animal-reptile, animal-amphibian",
        "plant": "plant-flower, plant-other",
        "fruit, vegetable": "food-fruit, food-vegetable",
        "meal, drink": "food-prepared, food-asian, food-sweet, drink",
        "vehicle": "transport-ground, transport-air, transport-water",
        "place": "place-building, place-other, place-geographic, place-religious",
        "sky": "sky & weather",
        "clothing": "clothing",
        "sport, game": "sport, game",
        "device": "computer, phone, light & video, sound, music, musical-instrument",
        "tool, household": "tool, household",
        "symbol": "alphanum, geometric, arrow, av-symbol, transport-sign, zodiac",
    }
)

Part = Literal["pretrain", "locate", "test"]


def bucket(text: str, count: int = 10) -> int:
    """As :func:`transfer.data.building.folds.bucket`, by another hash."""
    return folds.bucket(text, count, "sha256", digits=16)


def part(code: str) -> Part:
    """Part of the split: 3 in 10 for tests, 1 in 10 to train locate, the rest to pretrain."""
    number = bucket("part:" + code)
    return "test" if number < 3 else "locate" if number == 3 else "pretrain"


def category(meaning: Meaning | None) -> str | None:
    """Class in the category task, if any."""
    return kind(meaning, _KINDS)


def cut(data: bytes) -> Image.Image:
    """What is visible of a glyph."""
    image = visible(data)
    assert image is not None
    return image


def drawn(data: bytes, background: Colour = WHITE) -> Image.Image:
    """A glyph on a plain tile."""
    return on_plain(cut(data), background, LONGEST)
