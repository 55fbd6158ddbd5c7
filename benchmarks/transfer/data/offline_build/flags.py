"""Which country's flag it is, as four vendors draw it."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from transfer.data.offline_build import emoji
from transfer.data.offline_build.material import Material
from transfer.data.offline_build.packages import FLAGS, GEMOJIONE, NOTO, TWEMOJI
from transfer.data.offline_build.pictures import Pixels, Thumb, cutout, pixels, thumb
from transfer.data.offline_build.rows import Built

PACKAGES = (FLAGS, TWEMOJI, NOTO, GEMOJIONE)
TRAINED_ON = ("iso", "twemoji")


def build(material: Material) -> Built:
    """One picture a vendor of every flag that all of them draw alike."""
    iso = {
        _code_points(PurePosixPath(path).name[:2]): data
        for path, data in material.archives.members(FLAGS, r"/[a-z][a-z]\.png$")
    }
    vendors = {
        "iso": iso,
        "twemoji": material.glyphs("twemoji"),
        "noto": material.glyphs("noto"),
        "emojione": material.glyphs("emojione"),
    }
    common = sorted(code for code in iso if all(code in drawn for drawn in vendors.values()))
    codes = _distinct(common, vendors)
    meanings = material.meanings
    rows = [(vendor, code) for vendor in vendors for code in codes]
    return Built(
        np.stack([_picture(vendors[vendor][code]) for vendor, code in rows]),
        [index for _ in vendors for index in range(len(codes))],
        [meanings[code].name if code in meanings else code for code in codes],
        {
            "split": [int(vendor not in TRAINED_ON) for vendor, _ in rows],
            "vendor": [vendor for vendor, _ in rows],
            "name": [f"{vendor}:{code}" for vendor, code in rows],
        },
    )


def _distinct(codes: list[str], vendors: dict[str, emoji.Glyphs]) -> list[str]:
    """Flags on which the vendors agree, and of equal flags (Norway, Bouvet Island) the first."""
    iso, twemoji, noto = (
        {code: _thumb(vendors[vendor][code]) for code in codes}
        for vendor in ("iso", "twemoji", "noto")
    )
    kept: list[str] = []
    for code in codes:
        ours = twemoji[code]
        agreed = all(_differ(drawn[code], ours) < 62 for drawn in (iso, noto))
        if agreed and all(_differ(ours, twemoji[other]) > 5 for other in kept):
            kept.append(code)
    return kept


def _code_points(country: str) -> str:
    """Regional indicators of a two-letter country."""
    return "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in country)


def _picture(data: bytes) -> Pixels:
    image = cutout(data)
    assert image is not None
    return pixels(image)


def _thumb(data: bytes) -> Thumb:
    image = cutout(data)
    assert image is not None
    return thumb(image.crop((4, 16, 60, 48)), (14, 8))


def _differ(one: Thumb, other: Thumb) -> float:
    return float(np.abs(one - other).mean())
