"""Which of five skin tones a person or hand has."""

from __future__ import annotations

from transfer.data.building import vendors
from transfer.data.building.emoji import SKIN_TONES, skin_tone, without_tone_and_gender
from transfer.data.building.folds import bucket
from transfer.data.building.material import Material
from transfer.data.building.packages import GEMOJIONE, TWEMOJI
from transfer.data.building.rows import Built

PACKAGES = (TWEMOJI, GEMOJIONE)


def build(material: Material) -> Built:
    """Glyphs of one tone; four in ten kinds of glyph are for testing, whoever drew them."""
    return vendors.build(material, _shown)


def _shown(code: str) -> vendors.Shown | None:
    tone = skin_tone(code)
    if tone is None:
        return None
    group = without_tone_and_gender(code)
    unseen = bucket("skin:" + group, 10) < 4
    return vendors.Shown(f"tone{SKIN_TONES.index(tone) + 1}", group, unseen)
