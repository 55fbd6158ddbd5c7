"""Splits without leaks: by hash of a name, by groups, with near copies kept together."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from transfer.data.building.pictures import Pixels, from_pixels, thumb

Group = TypeVar("Group", int, str)
Label = TypeVar("Label", int, str)


def bucket(text: str, count: int, algorithm: str = "md5", digits: int = 32) -> int:
    """A number below count that depends on the text alone: splits stay put as packages grow.

    Args:
        text: what is split, by name.
        count: of buckets.
        algorithm: of :mod:`hashlib`.
        digits: how many of the hexadecimal digest's digits make the number.
    """
    digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:digits], 16) % count


def group_folds(
    groups: Sequence[Group], labels: Sequence[Label], count: int = 5, seed: int = 0
) -> list[int]:
    """Deal groups out to folds, class by class, in a seeded order.

    Args:
        groups: group of every row; a group is never divided.
        labels: class of every row; a group belongs to the class of its first row.
        count: number of folds.
        seed: of the order.

    Returns:
        The fold of every row, 0 … count - 1.
    """
    rng = random.Random(seed)
    label_of: dict[Group, Label] = {}
    for group, label in zip(groups, labels, strict=True):
        label_of.setdefault(group, label)
    members: dict[Label, list[Group]] = {label: [] for label in sorted(set(labels))}
    for group, label in label_of.items():
        members[label].append(group)
    dealt: dict[Group, int] = {}
    for of_class in members.values():
        of_class.sort()
        rng.shuffle(of_class)
        for group in of_class:
            dealt[group] = len(dealt) % count
    return [dealt[group] for group in groups]


def merge_near_copies(
    pictures: Sequence[Pixels], groups: Sequence[str], threshold: float
) -> list[str]:
    """Join groups that share a nearly equal picture, mirrored or not.

    Args:
        pictures: one for each row.
        groups: group of every row.
        threshold: mean difference of 16 × 16 thumbs, in grey levels, below which two are copies.

    Returns:
        New group of every row.
    """
    thumbs = np.stack([thumb(from_pixels(picture)) for picture in pictures])
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    for row, one in enumerate(thumbs):
        later = thumbs[row + 1 :]
        for others in (later, later[:, :, ::-1]):
            for offset in np.flatnonzero(np.abs(others - one).mean((1, 2, 3)) < threshold):
                ours, theirs = root(groups[row]), root(groups[row + 1 + int(offset)])
                if ours != theirs:
                    parent[theirs] = ours
    return [root(group) for group in groups]
