"""Which of five skin tones a person or hand has."""

from __future__ import annotations

from transfer.data.offline_build.emoji import SKIN_TONES
from transfer.data.offline_build.folds import bucket
from transfer.data.offline_build.material import Material
from transfer.data.offline_build.packages import GEMOJIONE, TWEMOJI
from transfer.data.offline_build.pictures import cutout, pixels
from transfer.data.offline_build.rows import Built, built

PACKAGES = (TWEMOJI, GEMOJIONE)
# Person, man, woman, boy, girl, child, their signs, joiner and arrow: not what the glyph shows.
_GENERAL = {
    *("1f468", "1f469", "1f9d1", "1f466", "1f467", "1f9d2"),
    *("2640", "2642", "200d", "27a1"),
}


def build(material: Material) -> Built:
    """Glyphs of one tone; four in ten kinds of glyph are for testing, whoever drew them.

    ``split`` is 0 to train, 1 to test, and 2 to test on another vendor's drawings.
    """
    pictures, kinds, split, groups, vendors = [], [], [], [], []
    for vendor in ("twemoji", "emojione"):
        drawn = material.glyphs(vendor)
        for code in sorted(drawn):
            parts = code.split("-")
            tones = [part for part in parts if part in SKIN_TONES]
            if len(tones) != 1:
                continue
            special = [part for part in parts if part not in _GENERAL and part not in SKIN_TONES]
            group = "-".join(special) or "person"
            unseen = bucket("skin:" + group, 10) < 4
            if vendor == "emojione" and not unseen:
                continue
            image = cutout(drawn[code])
            if image is None:
                continue
            pictures.append(pixels(image))
            kinds.append(f"tone{SKIN_TONES.index(tones[0]) + 1}")
            split.append(2 if vendor == "emojione" else int(unseen))
            groups.append(group)
            vendors.append(vendor)
    classes = [f"tone{number}" for number in range(1, 6)]
    return built(pictures, kinds, classes, split=split, group=groups, vendor=vendors)
