"""Which country's flag it is, as several vendors draw it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from transfer.data.building.emoji import Glyphs, Vendor
from transfer.data.building.material import Material
from transfer.data.building.packages import FLAGS, GEMOJIONE, NOTO, OPENCLIPART, TWEMOJI
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
MORE = (*PACKAGES, OPENCLIPART)
VENDORS: tuple[Vendor, ...] = ("iso", "twemoji", "noto", "emojione")
TRAINED_ON = ("iso", "twemoji")
CLOTH = (4, 16, 60, 48)
"""Where on a picture of 64 pixels a flag is: left, top, right, bottom."""
COMPARED = (14, 8)
"""At which size the cloths are compared."""
AGREED = 62


def build(material: Material) -> Built:
    """One picture a vendor of every flag that all of them draw alike."""
    vendors, codes = _common(material)
    rows = [(vendor, code) for vendor in vendors for code in codes]
    return _built(material, vendors, codes, rows)


def build_more(material: Material) -> Built:
    """The same flags, and where there is clip art that agrees, that as a fifth vendor's."""
    known, codes = _common(material)
    art = _clip_art(material)
    agreeing = [
        code
        for code in codes
        if code in art and alike([code], [known["twemoji"], art], _drawn, _cloth(), agreed=AGREED)
    ]
    rows = [(vendor, code) for vendor in known for code in codes]
    rows += [("openclipart", code) for code in agreeing]
    return _built(material, {**known, "openclipart": art}, codes, rows)


def _common(material: Material) -> tuple[dict[str, Glyphs], list[str]]:
    """Four vendors' flags, and the codes of those that they draw alike."""
    vendors: dict[str, Glyphs] = {vendor: material.glyphs(vendor) for vendor in VENDORS}
    common = sorted(set.intersection(*map(set, vendors.values())))
    compared = [vendors["twemoji"], vendors["iso"], vendors["noto"]]
    return vendors, alike(common, compared, _drawn, _cloth(), agreed=AGREED, equal=5)


def _cloth() -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Say what of a picture is compared, as it is stored now, and at which size."""
    left, top, right, bottom = (edge * stored_side() // SIDE for edge in CLOTH)
    return (left, top, right, bottom), COMPARED


def _built(
    material: Material,
    vendors: Mapping[str, Glyphs],
    codes: list[str],
    rows: list[tuple[str, str]],
) -> Built:
    number = {code: index for index, code in enumerate(codes)}
    return Built(
        np.stack([pixels(_drawn(vendors[vendor][code])) for vendor, code in rows]),
        [number[code] for _, code in rows],
        [material.meanings[code].name if code in material.meanings else code for code in codes],
        {
            "split": [int(vendor not in TRAINED_ON) for vendor, _ in rows],
            "vendor": [vendor for vendor, _ in rows],
            "name": [f"{vendor}:{code}" for vendor, code in rows],
        },
    )


def _clip_art(material: Material) -> Glyphs:
    """Clip art of flags by code points; its files are named after the countries."""
    codes = {
        _plain(meaning.name.removesuffix(" Flag")): code
        for code, meaning in material.meanings.items()
        if meaning.category == "Flags"
    }
    found: Glyphs = {}
    members = material.archives.members(OPENCLIPART, r"/png/signs_and_symbols/flags/.*\.png$")
    for path, data in sorted(members):
        code = codes.get(_plain(PurePosixPath(path).stem))
        if code is not None:
            found.setdefault(code, data)
    return found


def _plain(name: str) -> str:
    """A country's name without accents, signs and spaces."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^a-z]+", "_", ascii_only.lower().replace("&", "and")).strip("_")


def alike(
    codes: list[str],
    vendors: Sequence[Glyphs],
    drawn: Callable[[bytes], Image.Image],
    cloth: tuple[tuple[int, int, int, int], tuple[int, int]],
    *,
    agreed: float,
    equal: float = 0,
) -> list[str]:
    """Flags on which the vendors agree, and of equal flags (Norway, Bouvet Island) the first.

    Args:
        codes: to choose from.
        vendors: their drawings; all are compared with the first.
        drawn: makes a picture of a drawing.
        cloth: what of the picture is compared, and at which size.
        agreed: most difference between two vendors' thumbs, in grey levels.
        equal: least difference between two flags; by default all are kept.
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
