"""What a cut-out photograph shows."""

from __future__ import annotations

from transfer.data.building.folds import group_folds, merge_near_copies
from transfer.data.building.material import Material
from transfer.data.building.packages import STAMPS
from transfer.data.building.rows import Built, built

PACKAGES = (STAMPS,)


def build(material: Material) -> Built:
    """One picture a stamp; near copies are in one fold."""
    names = [stamp.name for stamp in material.stamps]
    kinds = [stamp.kind for stamp in material.stamps]
    pictures = [stamp.picture for stamp in material.stamps]
    groups = merge_near_copies(pictures, names, 9)
    folds = group_folds(groups, kinds)
    return built(pictures, kinds, sorted(set(kinds)), fold=folds, group=groups, name=names)
