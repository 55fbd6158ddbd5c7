from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import FakeData
from transfer.data.errors import DataError
from transfer.data.reading import Resized, WithClass, labels_of
from transfer.data.splits import per_class, three_way


class Pictures:
    """A labelled set of given pictures, as torchvision's have it."""

    def __init__(self, pictures: list[Image.Image]) -> None:
        self.pictures = pictures
        self.targets = [0] * len(pictures)
        self.classes = ["a"]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[Image.Image, int]:
        return self.pictures[row], self.targets[row]


def wide() -> Image.Image:
    """Three squares: red, green, blue."""
    colors = np.repeat(np.eye(3, dtype=np.uint8) * 255, 20, axis=0)
    return Image.fromarray(np.repeat(colors[None], 20, axis=0))


def test_the_centre_is_kept() -> None:
    picture = Resized(Pictures([wide()]), 10)[0]  # type: ignore[arg-type]
    assert picture.shape == (3, 10, 10)
    assert picture[:, :, 2:-2].float().mean((1, 2)).tolist() == [0, 255, 0]


def test_the_whole_picture_is_squashed() -> None:
    picture = Resized(Pictures([wide()]), 12, whole=True)[0]  # type: ignore[arg-type]
    assert picture.shape == (3, 12, 12)
    assert [int(picture[:, 6, column].argmax()) for column in (1, 5, 10)] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    picture = Resized(Pictures([Image.new(mode, (9, 31))]), 8)[0]  # type: ignore[arg-type]
    assert picture.shape == (3, 8, 8)
    assert picture.dtype == torch.uint8


def test_grey_is_equal_in_all_channels() -> None:
    grey = Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20))
    picture = Resized(Pictures([grey]), 10)[0]  # type: ignore[arg-type]
    assert torch.equal(picture[0], picture[1])
    assert torch.equal(picture[0], picture[2])


def test_workers_decode_batches() -> None:
    pictures = Resized(Pictures([wide()] * 4), 8)  # type: ignore[arg-type]
    rows = WithClass(pickle.loads(pickle.dumps(pictures)), torch.tensor([3, 2, 1, 0]))
    images, labels = next(iter(DataLoader(rows, batch_size=4, num_workers=1)))
    assert images.shape == (4, 3, 8, 8)
    assert images.dtype == torch.uint8
    assert labels.tolist() == [3, 2, 1, 0]


def test_labels_are_checked() -> None:
    pictures = Pictures([wide()] * 3)
    pictures.targets = [0, 1, 0]
    with pytest.raises(DataError, match="3 labels from 0 to 0 in Pictures; found 3 from 0 to 1"):
        labels_of(pictures)
    pictures.targets = [0]
    with pytest.raises(DataError, match="3 labels from 0 to 0 in Pictures; found 1"):
        labels_of(pictures)
    with pytest.raises(DataError, match="pictures of 1 classes; found none"):
        labels_of(Pictures([]))


def test_a_set_without_labels_is_named() -> None:
    with pytest.raises(TypeError, match="FakeData of this torchvision does not say its labels"):
        labels_of(FakeData(2))


@pytest.mark.parametrize(("part", "counts"), [(2, [2, 2, 0]), (0.25, [2, 1, 0]), (50, [7, 3, 0])])
def test_rows_are_drawn_per_class(part: int | float, counts: list[int]) -> None:
    labels = torch.tensor([0] * 8 + [1] * 4 + [2])
    chosen, rest = per_class(labels, torch.arange(13), part, seed=0)
    assert labels[chosen].bincount(minlength=3).tolist() == counts
    assert sorted(chosen.tolist() + rest.tolist()) == list(range(13))
    again, _ = per_class(labels, torch.arange(13), part, seed=0)
    assert torch.equal(chosen, again)


def test_a_seed_draws_the_same_rows_for_good() -> None:
    labels = torch.tensor([0, 1] * 10)
    assert per_class(labels, torch.arange(20), 3, seed=0)[0].tolist() == GOLDEN
    assert per_class(labels, torch.arange(20), 3, seed=1)[0].tolist() != GOLDEN


GOLDEN = [3, 4, 7, 8, 11, 16]
"""So tables of different machines compare."""


def test_three_way_split() -> None:
    labels = torch.arange(3).repeat(20)
    fold = three_way(labels, torch.arange(60))
    assert [labels[rows].bincount().tolist() for rows in fold] == [[12] * 3, [4] * 3, [4] * 3]
    assert len(set(torch.cat(list(fold)).tolist())) == 60
