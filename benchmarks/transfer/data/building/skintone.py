"""Which of five skin tones a person or hand has."""

from __future__ import annotations

from collections.abc import Callable

from transfer.data.building import vendors
from transfer.data.building.emoji import SKIN_TONES, skin_tone, without_tone_and_gender
from transfer.data.building.folds import bucket, group_folds
from transfer.data.building.material import Material
from transfer.data.building.packages import FLUENT, GEMOJIONE, NOTO, TWEMOJI
from transfer.data.building.rows import Built

PACKAGES = (TWEMOJI, GEMOJIONE)
MORE = (*PACKAGES, NOTO, FLUENT)


def build(material: Material) -> Built:
    """Glyphs of one tone; four in ten kinds of glyph are for testing, whoever drew them."""
    return vendors.build(
        material, lambda code: _shown(code, lambda group: bucket("skin:" + group, 10) < 4)
    )


def build_folds(material: Material) -> Built:
    """All glyphs of one tone by four vendors; a kind of glyph is in one ``fold``.

    No toned glyph is pretrained on; yellow ones of two of the vendors are.
    """
    part = vendors.build(material, lambda code: _shown(code, lambda _: True), vendors.ALL_OTHERS)
    groups = part.columns["group"]
    part.columns["fold"] = group_folds(groups, ["person"] * len(groups))
    return part


def _shown(code: str, is_unseen: Callable[[str], bool]) -> vendors.Shown | None:
    tone = skin_tone(code)
    if tone is None:
        return None
    group = without_tone_and_gender(code)
    return vendors.Shown(f"tone{SKIN_TONES.index(tone) + 1}", group, is_unseen(group))
