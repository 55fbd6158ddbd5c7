"""Tasks on emoji: learnt from one vendor's drawings, tested on others of them and another's too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from transfer.data.building.emoji import Vendor
from transfer.data.building.material import Material
from transfer.data.building.pictures import cutout, pixels
from transfer.data.building.rows import Built, built

LEARNT: Vendor = "twemoji"
"""Whose drawings are learnt from; no method is pretrained on their style, nor on EmojiOne's."""
ALL_OTHERS: tuple[Vendor, ...] = ("emojione", "noto", "fluent3d")


class Shown(NamedTuple):
    """What an emoji shows, and whether it is for testing with its group, whoever drew it."""

    kind: str
    group: str
    is_unseen: bool


def build(
    material: Material,
    shown: Callable[[str], Shown | None],
    others: Sequence[Vendor] = ("emojione",),
) -> Built:
    """Glyphs of several vendors.

    ``split`` is 0 to train, 1 to test, and 2 to test on the other vendors' drawings.

    Args:
        material: where the glyphs are.
        shown: what a glyph shows by its code points; None leaves it out.
        others: vendors to test on beside Twemoji.
    """
    pictures, kinds, split, groups, vendors = [], [], [], [], []
    for vendor in (LEARNT, *others):
        drawn = material.glyphs(vendor)
        for code in sorted(drawn):
            what = shown(code)
            if what is None or (vendor != LEARNT and not what.is_unseen):
                continue
            image = cutout(drawn[code])
            if image is None:
                continue
            pictures.append(pixels(image))
            kinds.append(what.kind)
            split.append(int(what.is_unseen) if vendor == LEARNT else 2)
            groups.append(what.group)
            vendors.append(vendor)
    classes = sorted(set(kinds))
    return built(pictures, kinds, classes, split=split, group=groups, vendor=vendors)
