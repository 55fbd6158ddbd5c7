"""Crops of photographs, landscapes kept apart, and the renders that come in one package."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from transfer.data.building import packages
from transfer.data.building.packages import Archives, Member, Package
from transfer.data.building.pictures import (
    Pixels,
    cutout,
    is_flat,
    photograph,
    pixels,
    random_crops,
)
from transfer.data.building.rows import Row

_PLASMA_NAMES = (
    "FallenLeaf|Path|DarkestHour|Autumn|EveningGlow|Grey|Kite|ColorfulCups|OneStandsOut|ColdRipple"
    "|BytheWater"
)
# Which files of a package are photographs, and how many crops to take of one.
WALLPAPERS: dict[Package, tuple[str, int]] = {
    packages.PLASMA: (rf"/({_PLASMA_NAMES})/contents/images/2560x1600\.jpg$", 130),
    packages.MATE: (r"/mate/nature/.*\.jpg$", 130),
    packages.LOMIRI: (r"backgrounds/.*by.*\.jpg$", 130),
    packages.KRANK: (r"unera-backgrounds/.*\.jpg$", 70),
}
LAND = r"/images/land/.*\.jpg$"
# First word of the names of Endless Sky's landscapes: those are kept for the locate task.
LANDSCAPES = {
    *("sea", "water", "beach", "mountain", "valley", "snow", "desert"),
    *("dune", "canyon", "badlands", "fields", "hills", "city", "sky"),
}


def wallpaper_rows(archives: Archives, rng: random.Random) -> Iterator[Row]:
    """Crops of desktop photographs; a class is one photograph."""
    for package, (pattern, count) in WALLPAPERS.items():
        for path, data in archives.members(package, pattern):
            # Plasma's files are all named after their size, their folders after the photograph.
            name = path.split("/")[-4] if package is packages.PLASMA else PurePosixPath(path).name
            image = photograph(data, 1200)
            for crop in random_crops(image, count, rng, scale=(0.16, 1.0), flat=12):
                yield _crop_row(crop, package, name)


def endless_sky_rows(archives: Archives, rng: random.Random) -> Iterator[Row]:
    """Crops of photographs that are no landscape, and renders of ships, planets and outfits."""
    pattern = r"/images/(land/.*\.jpg|(outfit|ship|planet)/.*\.png)$"
    for path, data in archives.members(packages.ENDLESS_SKY, pattern):
        name = PurePosixPath(path).name
        if "/land/" in path:
            if not _is_landscape(name):
                image = photograph(data)
                for crop in random_crops(image, 40, rng, smallest=72, flat=9):
                    yield _crop_row(crop, packages.ENDLESS_SKY, name)
            continue
        image_or_none = cutout(data)
        if image_or_none is not None and not is_flat(pixels(image_or_none), 10):
            folder = path.split("/images/")[1].split("/")[0]
            yield Row(pixels(image_or_none), "render:endless-sky", name, "endless-sky", folder)


def landscapes(archives: Archives) -> list[Member]:
    """Name and bytes of the landscape photographs, by name; no method is pretrained on them."""
    members = archives.members(packages.ENDLESS_SKY, LAND)
    named = ((PurePosixPath(path).name, data) for path, data in members)
    return sorted(member for member in named if _is_landscape(member[0]))


def _is_landscape(name: str) -> bool:
    word = re.match(r"[a-z]+", name)
    return word is not None and word.group() in LANDSCAPES


def _crop_row(crop: Pixels, package: Package, name: str) -> Row:
    short = package.name.removesuffix("-data")
    return Row(crop, f"photo:{short}", name, "photo", f"{short}/{name}")
