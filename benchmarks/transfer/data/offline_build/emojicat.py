"""What kind of thing an emoji shows."""

from __future__ import annotations

from transfer.data.offline_build.emoji import Meaning, is_unseen
from transfer.data.offline_build.material import Material
from transfer.data.offline_build.packages import GEMOJIONE, NOTO, TWEMOJI
from transfer.data.offline_build.pictures import cutout, pixels
from transfer.data.offline_build.rows import Built, built

PACKAGES = (TWEMOJI, GEMOJIONE, NOTO)
_SUBCATEGORIES = {
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
KINDS = {
    subcategory: kind
    for kind, subcategories in _SUBCATEGORIES.items()
    for subcategory in subcategories.split(", ")
}


def build(material: Material) -> Built:
    """Two vendors' glyphs that no method is pretrained on the style of.

    ``split`` is 0 to train, 1 to test, and 2 to test on another vendor's drawings; glyphs to test
    on are not among those that are pretrained on, whoever drew them.
    """
    pictures, kinds, split, codes, vendors = [], [], [], [], []
    for vendor in ("twemoji", "emojione"):
        drawn = material.glyphs(vendor)
        for code in sorted(drawn):
            kind = _kind(material.meanings.get(code))
            if kind is None or (vendor == "emojione" and not is_unseen(code)):
                continue
            image = cutout(drawn[code])
            if image is None:
                continue
            pictures.append(pixels(image))
            kinds.append(kind)
            split.append(2 if vendor == "emojione" else int(is_unseen(code)))
            codes.append(code)
            vendors.append(vendor)
    names = [f"{vendor}:{code}" for vendor, code in zip(vendors, codes, strict=True)]
    classes = sorted(set(kinds))
    return built(pictures, kinds, classes, split=split, group=codes, vendor=vendors, name=names)


def _kind(meaning: Meaning | None) -> str | None:
    if meaning is None or meaning.category in ("People & Body", "Flags", "Component"):
        return None
    if meaning.subcategory.startswith("face-"):
        return "face"
    return KINDS.get(meaning.subcategory)
