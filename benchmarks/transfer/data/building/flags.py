"""Which country's flag it is, as four vendors draw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from transfer.data.building.emoji import Glyphs, Vendor
from transfer.data.building.material import Material
from transfer.data.building.packages import FLAGS, GEMOJIONE, NOTO, TWEMOJI
from transfer.data.building.pictures import (
    SIDE,
    Distinct,
    cutout,
    differ,
    pixels,
    stored_side,
    thumb,
)
from transfer.data.building.rows import Built

PACKAGES = (FLAGS, TWEMOJI, NOTO, GEMOJIONE)
VENDORS: tuple[Vendor, ...] = ("iso", "twemoji", "noto", "emojione")
TRAINED_ON = ("iso", "twemoji")
CLOTH = (4, 16, 60, 48)
"""Where on a picture of 64 pixels a flag is: left, top, right, bottom."""


def build(material: Material) -> Built:
    """One picture a vendor of every flag that all of them draw alike."""
    vendors = {vendor: material.glyphs(vendor) for vendor in VENDORS}
    common = sorted(set.intersection(*map(set, vendors.values())))
    compared = [vendors["twemoji"], vendors["iso"], vendors["noto"]]
    left, top, right, bottom = (edge * stored_side() // SIDE for edge in CLOTH)
    cloth = (left, top, right, bottom), (14, 8)
    codes = alike(common, compared, _drawn, cloth, agreed=62, equal=5)
    rows = [(vendor, code) for vendor in vendors for code in codes]
    return Built(
        np.stack([pixels(_drawn(vendors[vendor][code])) for vendor, code in rows]),
        [index for _ in vendors for index in range(len(codes))],
        [material.meanings[code].name if code in material.meanings else code for code in codes],
        {
            "split": [int(vendor not in TRAINED_ON) for vendor, _ in rows],
            "vendor": [vendor for vendor, _ in rows],
            "name": [f"{vendor}:{code}" for vendor, code in rows],
        },
    )


def alike(
    codes: list[str],
    vendors: Sequence[Glyphs],
    drawn: Callable[[bytes], Image.Image],
    cloth: tuple[tuple[int, int, int, int], tuple[int, int]],
    *,
    agreed: float,
    equal: float,
) -> list[str]:
    """Flags on which the vendors agree, and of equal flags (Norway, Bouvet Island) the first.

    Args:
        codes: to choose from.
        vendors: their drawings; all are compared with the first.
        drawn: makes a picture of a drawing.
        cloth: what of the picture is compared, and at which size.
        agreed: most difference between two vendors' thumbs, in grey levels.
        equal: least difference between two flags.
    """
    box, size = cloth
    distinct = Distinct(equal)
    kept = []
    for code in codes:
        ours, *others = (thumb(drawn(glyphs[code]).crop(box), size) for glyphs in vendors)
        if all(differ(other, ours) < agreed for other in others) and distinct.add(ours):
            kept.append(code)
    return kept


def _drawn(data: bytes) -> Image.Image:
    image = cutout(data)
    assert image is not None
    return image
