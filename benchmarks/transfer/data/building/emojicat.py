"""What kind of thing an emoji shows."""

from __future__ import annotations

from collections.abc import Sequence

from transfer.data.building import vendors
from transfer.data.building.emoji import Vendor, by_subcategory, is_unseen, kind
from transfer.data.building.material import Material
from transfer.data.building.packages import FLUENT, GEMOJIONE, NOTO, TWEMOJI
from transfer.data.building.rows import Built

PACKAGES = (TWEMOJI, GEMOJIONE, NOTO)
MORE = (*PACKAGES, FLUENT)
KINDS = by_subcategory(
    {
        "mammal": "animal-mammal",
        "other_animal": "animal-bird, animal-marine, animal-bug, animal-reptile, animal-amphibian",
        "plant": "plant-flower, plant-other",
        "fruit_veg": "food-fruit, food-vegetable",
        "meal": "food-prepared, food-asian, food-sweet",
        "land_vehicle": "transport-ground",
        "air_sea": "transport-air, transport-water",
        "place": "place-building, place-other, place-geographic, place-religious",
        "sky": "sky & weather",
        "clothing": "clothing",
        "sport_game": "sport, game",
        "device": "computer, phone, light & video, sound, music, musical-instrument",
        "tool_home": "tool, household",
        "symbol": "alphanum, geometric, arrow, av-symbol, transport-sign, zodiac, keycap",
    }
)


def build(material: Material) -> Built:
    """Glyphs to test on are not among those that are pretrained on, whoever drew them."""
    return _built(material, ("emojione",))


def build_more(material: Material) -> Built:
    """The same, tested on two more vendors' drawings."""
    return _built(material, vendors.ALL_OTHERS)


def _built(material: Material, others: Sequence[Vendor]) -> Built:
    def shown(code: str) -> vendors.Shown | None:
        found = kind(material.meanings.get(code), KINDS)
        return None if found is None else vendors.Shown(found, code, is_unseen(code))

    part = vendors.build(material, shown, others)
    drawn = zip(part.columns["vendor"], part.columns["group"], strict=True)
    part.columns["name"] = [f"{vendor}:{code}" for vendor, code in drawn]
    return part
