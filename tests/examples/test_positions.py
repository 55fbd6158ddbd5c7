"""Tasks that live on position: labels say where things are, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("torchvision")

import torch
from _shared import images, positions

SIDE = 64


def noise(count: int, low: int, high: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    random = np.random.RandomState(count)
    return random.randint(low, high, (count, 3, SIDE, SIDE)).astype(np.uint8)


def test_a_patch_is_where_the_box_and_the_cell_say() -> None:
    grounds, patches = noise(90, 0, 100), noise(90, 200, 256)
    made = positions.patched(grounds, patches, seed=3)
    assert np.bincount(made.cells).tolist() == [10] * 9
    for ground, image, cell, box in zip(grounds, made.images, made.cells, made.boxes, strict=True):
        bright = image.min(0) > 150
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        expected = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]) * SIDE
        assert corners == pytest.approx(expected, abs=1e-3)
        assert divmod(int(cell), 3) == tuple((3 * box[1::-1]).astype(int))
        assert np.array_equal(image[:, ~bright], ground[:, ~bright])


def test_places_do_not_depend_on_what_is_pasted() -> None:
    one = positions.patched(noise(45, 0, 100), noise(45, 200, 256), seed=3)
    other = positions.patched(noise(45, 100, 200), noise(45, 0, 50), seed=3)
    assert np.array_equal(one.boxes, other.boxes)
    assert not np.array_equal(one.cells, positions.patched(one.images, one.images, 4).cells)


def test_views_lie_where_their_labels_say() -> None:
    ramp = np.arange(SIDE, dtype=np.uint8) * 4
    picture = np.stack(
        [np.tile(ramp[:, None], SIDE), np.tile(ramp, (SIDE, 1)), np.zeros((SIDE,) * 2)]
    )
    made = positions.ordered_views(np.stack([picture.astype(np.uint8)] * 200), seed=0)
    first, second = made.images[::2].astype(float), made.images[1::2].astype(float)
    for channel, axis, label in ((0, 1, made.above), (1, 2, made.left)):
        # Turned pictures get darker along the axis instead of brighter.
        rising = np.diff(first[:, channel], axis=axis).mean((1, 2)) > 0
        brighter = (second - first)[:, channel].mean((1, 2)) > 0
        assert np.array_equal(label == 1, rising != brighter)
        assert 70 < label.sum() < 130
        assert 70 < rising.sum() < 130


def test_the_same_seed_gives_the_same_task() -> None:
    pictures = noise(20, 0, 256)
    for make in (positions.ordered_views, lambda p, seed: positions.patched(p, p[::-1], seed)):
        one, again, other = make(pictures, 1), make(pictures, 1), make(pictures, 2)
        assert all(map(np.array_equal, one, again))
        assert not np.array_equal(one.images, other.images)


def test_tasks_of_pictures_without_labels_test_on_other_pictures() -> None:
    train, test = torch.from_numpy(noise(40, 0, 60)), torch.from_numpy(noise(15, 196, 256))
    patch, above = images.placed(train, test)
    assert (patch.name, above.name) == ("patch", "above")
    assert patch.images.shape == (40 + 15 * images.TIMES, 3, SIDE, SIDE)
    assert above.images.shape == (40 + 15 * images.TIMES, 2, 3, SIDE, SIDE)
    for task in (patch, above):
        assert task.groups is not None
        tested = task.split == 1
        assert task.images[tested].amin() > 128
        assert task.images[~tested].amax() < 128
        assert task.groups[tested].bincount()[40:].tolist() == [images.TIMES] * 15
        few = task.first(10)
        assert few.groups is not None
        assert len(few.images) == len(few.labels) == len(few.groups) == 10


def test_a_person_in_five_tones_is_one_group() -> None:
    _, tasks = images.load("pack", None, 8)
    groups = {task.name: task.groups for task in tasks}
    sizes = {name: of_task.bincount() for name, of_task in groups.items() if of_task is not None}
    assert sizes["skintone"].unique().tolist() == [5]
    assert sizes["category"].unique().tolist() == [1]
    assert len(sizes["locate"]) < 100
