"""Tasks on emoji: learnt from one vendor's drawings, tested on others of them and another's too."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from transfer.data.building.material import Material
from transfer.data.building.pictures import cutout, pixels
from transfer.data.building.rows import Built, built


class Shown(NamedTuple):
    """What an emoji shows, and whether it is for testing with its group, whoever drew it."""

    kind: str
    group: str
    is_unseen: bool


def build(material: Material, shown: Callable[[str], Shown | None]) -> Built:
    """Glyphs of two vendors that no method is pretrained on the style of.

    ``split`` is 0 to train, 1 to test, and 2 to test on the other vendor's drawings.

    Args:
        material: where the glyphs are.
        shown: what a glyph shows by its code points; None leaves it out.
    """
    pictures, kinds, split, groups, vendors = [], [], [], [], []
    for vendor in ("twemoji", "emojione"):
        drawn = material.glyphs(vendor)
        for code in sorted(drawn):
            what = shown(code)
            if what is None or (vendor == "emojione" and not what.is_unseen):
                continue
            image = cutout(drawn[code])
            if image is None:
                continue
            pictures.append(pixels(image))
            kinds.append(what.kind)
            split.append(2 if vendor == "emojione" else int(what.is_unseen))
            groups.append(what.group)
            vendors.append(vendor)
    classes = sorted(set(kinds))
    return built(pictures, kinds, classes, split=split, group=groups, vendor=vendors)
