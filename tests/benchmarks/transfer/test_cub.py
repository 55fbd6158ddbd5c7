from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from transfer.data import cub
from transfer.data.errors import DataError
from transfer.data.sets import Task

SIZE = 32


def load(formats: Any, name: str) -> Task:
    (entry,) = [entry for entry in cub.SETS if entry.name == name]
    return entry.task(formats.root, SIZE, download=False)


def test_splits_and_classes(formats: Any) -> None:
    formats.cub200()
    task = load(formats, "cub200")
    assert task.classes == ("001.Albatross", "002.Albatross")
    assert task.labels.tolist() == [0] * 10 + [1] * 10
    fold = task.folds[0]
    assert fold.test.tolist() == [6, 7, 8, 9, 16, 17, 18, 19]
    assert sorted(torch.cat([fold.train, fold.val]).tolist()) == [*range(6), *range(10, 16)]
    assert len(fold.val) == 2
    assert task.few_shot
    assert task.boxes is None


def test_boxes_are_fractions_of_the_picture(formats: Any) -> None:
    formats.cub200()
    task = load(formats, "cub200_boxes")
    assert not task.few_shot
    assert task.boxes is not None
    assert task.boxes.shape == (20, 4)
    # Row 0 has id 20, so its box begins at 20 % 7 = 6, 3 in a picture of 40 x 30; it is 20 x 15.
    expected = torch.tensor([(6 + 10) / 40, (3 + 7.5) / 30, 20 / 40, 15 / 30])
    torch.testing.assert_close(task.boxes[0], expected)
    # The last one reaches a pixel over the edge: 30 … 41 of 40, 20 … 31 of 30.
    torch.testing.assert_close(task.boxes[19], torch.tensor([0.875, 5 / 6, 0.25, 1 / 3]))


def test_a_box_holds_the_same_in_the_picture_that_is_shown(formats: Any) -> None:
    formats.cub200()
    folder = formats.root / "CUB_200_2011"
    name = "001.Albatross/0000.jpg"
    with Image.new("RGB", (60, 30)) as picture:
        picture.paste((255, 255, 255), (3, 6, 23, 21))  # at 3, 6; 20 x 15
        picture.save(folder / "images" / name, quality=95)
    lines = (folder / "bounding_boxes.txt").read_text().splitlines()
    lines[0] = "20 3.0 6.0 20.0 15.0"
    (folder / "bounding_boxes.txt").write_text("\n".join(lines))
    task = load(formats, "cub200_boxes")
    assert task.boxes is not None
    rows, columns = torch.where(task.pictures[0].float().mean(0) > 127)
    start = torch.tensor([columns.min(), rows.min()]) / SIZE
    end = (torch.tensor([columns.max(), rows.max()]) + 1) / SIZE
    seen = torch.cat([(start + end) / 2, end - start])
    assert (seen - task.boxes[0]).abs().max() < 1.5 / SIZE


def test_a_picture_without_an_id_is_an_error(formats: Any) -> None:
    formats.cub200()
    folder = formats.root / "CUB_200_2011" / "images" / "002.Albatross"
    (folder / "0001.jpg").rename(folder / "mine.jpg")
    with pytest.raises(DataError, match=r"1 not in it: 002.Albatross/mine.jpg"):
        load(formats, "cub200")


@pytest.mark.parametrize("broken", ["7 1.0 2.0 3.0\n", "7 1.0 2.0 3.0 4.0\n"])
def test_a_broken_box_file_is_an_error(formats: Any, broken: str) -> None:
    formats.cub200()
    (formats.root / "CUB_200_2011" / "bounding_boxes.txt").write_text(broken)
    with pytest.raises(DataError, match=r"cub200_boxes as .*bounding_boxes.txt"):
        load(formats, "cub200_boxes")


def test_a_missing_file_is_an_error(formats: Any) -> None:
    formats.cub200()
    (formats.root / "CUB_200_2011" / "train_test_split.txt").unlink()
    with pytest.raises(DataError, match=r"train_test_split.txt; found no such file"):
        load(formats, "cub200")
