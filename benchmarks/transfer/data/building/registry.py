"""All sets: which packages each needs, and who builds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from transfer.data.building import (
    emojicat,
    fashion,
    flags,
    locate,
    materials,
    patch,
    pretrain,
    skintone,
    tuxphoto,
    views,
)
from transfer.data.building.material import Material
from transfer.data.building.packages import Package
from transfer.data.building.rows import Built


class Recipe(NamedTuple):
    """How a set is made."""

    packages: tuple[Package, ...]
    build: Callable[[Material], Built]


RECIPES = {
    "pretrain": Recipe(pretrain.PACKAGES, pretrain.build),
    "materials": Recipe(materials.PACKAGES, materials.build),
    "tuxphoto": Recipe(tuxphoto.PACKAGES, tuxphoto.build),
    "flags": Recipe(flags.PACKAGES, flags.build),
    "skintone": Recipe(skintone.PACKAGES, skintone.build),
    "emojicat": Recipe(emojicat.PACKAGES, emojicat.build),
    "locate": Recipe(locate.PACKAGES, locate.build),
    "fashion": Recipe(fashion.PACKAGES, fashion.build),
    "flags-2": Recipe(flags.MORE, flags.build_more),
    "skintone-2": Recipe(skintone.MORE, skintone.build_folds),
    "emojicat-2": Recipe(emojicat.MORE, emojicat.build_more),
    "locate-2": Recipe(locate.PACKAGES, locate.build_halves),
    "patch": Recipe(patch.PACKAGES, patch.build),
    "views": Recipe(views.PACKAGES, views.build),
}
