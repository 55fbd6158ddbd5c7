"""Splits have no leaks, whatever the groups are, and are the same every time."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transfer.data.building.folds import bucket, group_folds, merge_near_copies
from transfer.data.building.pictures import Pixels, random_crops

rows_of_groups = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=80)


@given(rows=rows_of_groups, count=st.integers(2, 6), seed=st.integers(0, 3))
def test_a_group_is_in_one_fold_and_classes_are_dealt_evenly(
    rows: list[tuple[int, int]], count: int, seed: int
) -> None:
    # A group is of one class here, as in the sets.
    groups = [f"{label}:{group}" for group, label in rows]
    labels = [label for _, label in rows]

    folds = group_folds(groups, labels, count, seed)

    assert len(dict(zip(groups, folds, strict=True))) == len(set(zip(groups, folds, strict=True)))
    assert group_folds(groups, labels, count, seed) == folds
    for label in set(labels):
        dealt = dict(zip(groups, folds, strict=True))
        sizes = np.bincount(
            [fold for group, fold in dealt.items() if group.startswith(f"{label}:")],
            minlength=count,
        )
        assert sizes.max() - sizes.min() <= 1


@given(rows=rows_of_groups)
def test_the_order_of_the_rows_does_not_move_a_group(rows: list[tuple[int, int]]) -> None:
    groups = [f"{label}:{group}" for group, label in rows]
    labels = [label for _, label in rows]
    dealt = dict(zip(groups, group_folds(groups, labels), strict=True))
    again = dict(zip(groups[::-1], group_folds(groups[::-1], labels[::-1]), strict=True))
    assert dealt == again


def noisy(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 8, 8))
    return np.kron(coarse, np.ones((1, 8, 8))).astype(np.uint8)


def test_near_copies_join_their_groups_also_mirrored_and_in_chains() -> None:
    one, two, three = noisy(1), noisy(2), noisy(3)
    brighter = np.clip(one.astype(int) + 2, 0, 255).astype(np.uint8)
    pictures = [one, two, brighter, np.ascontiguousarray(two[:, :, ::-1]), three, brighter]
    merged = merge_near_copies(pictures, ["a", "b", "c", "d", "e", "b"], 7)
    # c is near a, d mirrors b, and b's last picture is near a's and c's.
    assert len({merged[row] for row in (0, 1, 2, 3, 5)}) == 1
    assert merged[4] == "e"
    assert merge_near_copies(pictures[:3], ["a", "b", "c"], 1) == ["a", "b", "c"]


def test_buckets_depend_on_the_name_alone() -> None:
    assert [bucket(f"glyph:{n}", 10) for n in range(5)] == [
        bucket(f"glyph:{n}", 10) for n in range(5)
    ]
    share = np.mean([bucket(f"glyph:{n}", 10) < 3 for n in range(5000)])
    assert share == pytest.approx(0.3, abs=0.03)


def test_crops_are_apart_and_none_is_flat() -> None:
    half = np.zeros((240, 320, 3), np.uint8)
    half[:, :160] = np.random.default_rng(0).integers(0, 256, (240, 160, 3))
    image = Image.fromarray(half)
    crops = random_crops(image, 30, random.Random(0), smallest=40)
    assert 5 < len(crops) <= 30
    assert all(crop.astype(float).mean(0).std() >= 6 for crop in crops)
    flat = Image.new("RGB", (320, 240), (9, 9, 9))
    assert random_crops(flat, 30, random.Random(0)) == []
