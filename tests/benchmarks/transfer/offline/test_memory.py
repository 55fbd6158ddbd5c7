"""Pictures in memory: rows, batches and the tensor are the same pictures."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader
from transfer.data.memory import InMemory

IMAGES = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 4, 4)


def test_rows_and_batches() -> None:
    data = InMemory(IMAGES)
    assert len(data) == 5
    assert torch.equal(data[3], IMAGES[3])
    assert torch.equal(torch.stack(data.__getitems__([4, 0])), IMAGES[[4, 0]])
    assert torch.equal(torch.cat(list(DataLoader(data, batch_size=2))), IMAGES)
    assert data.images is IMAGES


def test_labels_come_with_their_pictures() -> None:
    labels = torch.tensor([4, 3, 2, 1, 0])
    data = InMemory(IMAGES, labels)
    assert data[1][1] == 3
    for pictures, classes in DataLoader(data, batch_size=3, shuffle=True):
        assert torch.equal(pictures[:, 0, 0, 0].long(), 4 - classes)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.float(), None, r"uint8 \(N, 3, S, S\), found torch.float32 \(5, 3, 4, 4\)"),
        (IMAGES[:, :1], None, r"found torch.uint8 \(5, 1, 4, 4\)"),
        (IMAGES, torch.zeros(4), r"one label for each of 5 pictures, found labels of shape \(4,\)"),
    ],
)
def test_other_tensors_are_refused(
    images: torch.Tensor, labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        InMemory(images, labels)
