"""Shares and boxes of what two views show, against counts of their pixels and plain formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from augself_loss import (
    AffineEncoder,
    AngleEncoder,
    CropEncoder,
    FlipEncoder,
    PerspectiveEncoder,
    RotationEncoder,
    VerticalFlipEncoder,
)
from augself_loss.geometry import Pixels, grid, overlap
from augself_loss.parameters import Record

Make = Callable[..., Record]
FLIPPED = [CropEncoder(0), FlipEncoder(), VerticalFlipEncoder()]
WARPED = [
    AngleEncoder(40),
    AffineEncoder((-30, 30), 0.2, 0.2, (0.7, 1.3), (0.7, 1.3), 10.0, 10.0),
    PerspectiveEncoder(0.5),
]
PIXELS = Pixels((100, 140), (40, 60), "kornia", order=("angle", "affine", "perspective"))


def in_source(record: Record) -> Tensor:
    """Left, top, right, bottom as fractions of the source."""
    top, left, height, width = record["crop"].unbind(-1)
    return torch.stack([left, top, left + width, top + height], dim=-1)


def test_boxes_of_crops_and_flips_are_their_intersection(make_record: Make) -> None:
    record1, record2 = (make_record(FLIPPED, 64, seed=seed) for seed in (1, 2))
    found = overlap(record1, record2, PIXELS)
    box1, box2 = in_source(record1), in_source(record2)
    low, high = torch.maximum(box1, box2)[:, :2], torch.minimum(box1, box2)[:, 2:]
    common = (high - low).clamp_min(0).prod(-1)
    for record, share, boxes in (
        (record1, found.share1, found.boxes1), (record2, found.share2, found.boxes2)
    ):  # fmt: skip
        box = in_source(record)
        assert torch.allclose(share, common / record["crop"][:, 2:].prod(-1), atol=1e-5)
        start, end = ((edge - box[:, :2]) / record["crop"][:, [3, 2]] for edge in (low, high))
        for axis, (name, side) in enumerate((("flip", 60), ("vertical_flip", 40))):
            mirrored = record[name][:, 0] == 1
            first = torch.where(mirrored, 1 - end[:, axis], start[:, axis]) * side
            last = torch.where(mirrored, 1 - start[:, axis], end[:, axis]) * side
            there = common > 1e-6
            assert torch.allclose(boxes[there, axis], first[there], atol=1e-3)
            assert torch.allclose(boxes[there, axis + 2], last[there], atol=1e-3)
        assert not boxes[common == 0].any()
    assert (common == 0).any()
    assert (common > 0).any()


def counted(record: Record, other: Record, pixels: Pixels, pixels2: Pixels) -> Tensor:
    """Of 200 × 200 places of a view, which another view shows too."""
    return grid(other, record, pixels2, pixels, size=(200, 200))[1]


def test_turns_swap_the_sides(make_record: Make) -> None:
    record1 = make_record([CropEncoder(0), RotationEncoder()], 64, seed=3)
    record2 = {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]]).expand(64, 4)}
    pixels = Pixels((80, 80), (40, 40), "torchvision")
    pixels2 = Pixels((80, 80), (40, 20), "torchvision")
    found = overlap(record1, record2, pixels, pixels2)
    mask = counted(record1, record2, pixels, pixels2)
    assert (found.share1 - mask.flatten(1).float().mean(1)).abs().max() < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_any_maps_are_those_that_count(make_record: Make, seed: int) -> None:
    """Counted on 200 × 200 places of each view; three warps cut eight canvases."""
    record1, record2 = (make_record([*FLIPPED, *WARPED], 48, seed=10 * seed + k) for k in (1, 2))
    edges = Pixels(PIXELS.source, PIXELS.view, "kornia", order=PIXELS.order, by_centres=False)
    found = overlap(record1, record2, PIXELS)
    for one, other, share, boxes in (
        (record1, record2, found.share1, found.boxes1),
        (record2, record1, found.share2, found.boxes2),
    ):
        seen = counted(one, other, edges, edges)
        assert (share - seen.flatten(1).float().mean(1)).abs().max() < 0.01
        for mask, box in zip(seen, boxes, strict=True):
            rows, columns = mask.nonzero().unbind(-1)
            if len(rows) > 50:  # a place is 0.3 × 0.2 pixels
                ends = columns.min() * 0.3, rows.min() * 0.2, columns.max() * 0.3, rows.max() * 0.2
                assert (box - torch.tensor(ends)).abs().max() < 1.5
    assert (found.share1 > 0).float().mean() > 0.3


def test_the_same_view_twice(make_record: Make) -> None:
    """Edges that coincide are cut by none of each other, whatever float32 makes of them."""
    record = make_record(FLIPPED, 64, seed=5)
    found = overlap(record, record, PIXELS)
    assert torch.allclose(found.share1, torch.ones(64), atol=1e-5)
    assert torch.allclose(found.boxes2, torch.tensor([0.0, 0, 60, 40]).expand(64, 4), atol=1e-3)


def test_a_view_in_a_view() -> None:
    angle = torch.tensor([[45.0]])
    turned = {"crop": torch.tensor([[0.25, 0.25, 0.5, 0.5]]), "angle": angle}
    whole = {"crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]]), "angle": angle * 0}
    found = overlap(turned, whole, Pixels((80, 80), (40, 40), "kornia"))
    # The square that was cut out, and of it what its turned canvas holds: an octagon.
    octagon = 2 * math.sqrt(2) - 2
    assert found.share1.item() == pytest.approx(octagon, abs=1e-5)
    assert found.share2.item() == pytest.approx(octagon / 4, abs=1e-5)
    assert found.boxes2[0].tolist() == pytest.approx([10, 10, 30, 30], abs=1e-3)


def test_padding_counts_as_not_shown() -> None:
    padded = {"crop": torch.tensor([[-0.5, 0.0, 2.0, 1.0]])}
    found = overlap(padded, padded, Pixels((8, 8), (8, 8), "torchvision"))
    assert found.share1.tolist() == [0.5]
    assert found.boxes1.tolist() == [[0, 2, 8, 6]]


def test_views_that_only_touch_share_nothing() -> None:
    left, right = ({"crop": torch.tensor([[0.0, at, 1.0, 0.5]])} for at in (0.0, 0.5))
    found = overlap(left, right, Pixels((8, 8), (8, 8), "torchvision"))
    assert found.share1.tolist() == found.share2.tolist() == [0]
    assert found.boxes1.tolist() == [[0, 0, 0, 0]]


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.integers(0, 3))
def test_shares_are_of_one_part_of_the_source(numbers: list[float], turns: int) -> None:
    """Share 1 of view 1's area is share 2 of view 2's, in pixels of the source."""
    drawn = torch.tensor(numbers, dtype=torch.float64).view(2, 1, 4)
    sizes = 0.05 + 0.95 * drawn[..., 2:]
    boxes = torch.cat([drawn[..., :2] * (1 - sizes), sizes], dim=-1)
    record1 = {"crop": boxes[0], "rotation": torch.full((1, 1), float(turns)).double()}
    record2 = {"crop": boxes[1]}
    found = overlap(record1, record2, Pixels((50, 50), (20, 20), "torchvision"))
    areas = sizes.prod(-1)
    assert found.share1 * areas[0] == pytest.approx(found.share2 * areas[1], abs=1e-9)
    assert bool((found.share1 >= 0).all())
    assert bool((found.share1 <= 1).all())
