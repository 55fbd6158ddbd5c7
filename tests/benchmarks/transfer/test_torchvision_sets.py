from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transfer.data import torchvision_sets
from transfer.data.entries import Entry
from transfer.data.errors import DataError
from transfer.data.sets import Task

SIZE = 16
ENTRIES = {entry.name: entry for entry in torchvision_sets.SETS}


class Expected(NamedTuple):
    train: int
    val: int
    test: int
    classes: int
    metric: str
    rows: int | None = None


EXPECTED = {
    "cifar10": Expected(90, 10, 6, 2, "accuracy"),
    "cifar100": Expected(27, 3, 6, 3, "accuracy"),
    "food101": Expected(18, 2, 6, 2, "accuracy"),
    "pets": Expected(16, 4, 8, 2, "mean_per_class"),
    "flowers102": Expected(3, 3, 6, 102, "mean_per_class"),
    "caltech101": Expected(50, 10, 5, 2, "mean_per_class"),
    "cars": Expected(16, 4, 6, 2, "accuracy"),
    "aircraft": Expected(4, 4, 4, 2, "mean_per_class"),
    "dtd": Expected(10, 10, 10, 2, "accuracy"),
    "sun397": Expected(80, 20, 100, 2, "accuracy", rows=206),
}


def task_of(formats: Any, name: str) -> Task:
    getattr(formats, name)()
    return ENTRIES[name].task(formats.root, SIZE, download=False)


def test_every_set_is_tested() -> None:
    assert set(EXPECTED) == set(ENTRIES)


@pytest.mark.parametrize("name", EXPECTED)
def test_splits_classes_and_pictures(formats: Any, name: str) -> None:
    expected = EXPECTED[name]
    task = task_of(formats, name)
    (fold,) = task.folds
    assert tuple(len(rows) for rows in fold) == (expected.train, expected.val, expected.test)
    assert len(task.classes) == expected.classes
    assert task.metric == expected.metric
    every = torch.cat(list(fold))
    assert len(set(every.tolist())) == len(every), "a row is in two splits"
    count = len(task.labels)
    assert count == len(task.pictures) == (expected.rows or len(every))  # type: ignore[arg-type]
    for rows in fold:
        assert rows.dtype == torch.int64
        assert set(task.labels[rows].tolist()) == set(task.labels.tolist())
    for row in range(min(count, 12)):  # all modes among them
        picture = task.pictures[row]
        assert picture.shape == (3, SIZE, SIZE)
        assert picture.dtype == torch.uint8


@pytest.mark.parametrize("name", EXPECTED)
def test_labels_are_those_that_the_loader_gives_with_the_picture(formats: Any, name: str) -> None:
    task = task_of(formats, name)
    given = []
    for picture, label in task.pictures.dataset:  # type: ignore[attr-defined]
        picture.load()  # closes the file
        given.append(int(label))
    assert task.labels.tolist() == given


@pytest.mark.parametrize("name", EXPECTED)
def test_an_incomplete_folder_is_an_error_that_says_what_to_do(formats: Any, name: str) -> None:
    entry = ENTRIES[name]
    (formats.root / entry.folder / "something").mkdir(parents=True)
    with pytest.raises(DataError, match=f"Expected {name} as .*found in .*something/.*Complete"):
        entry.task(formats.root, SIZE, download=False)


@pytest.mark.parametrize("name", ["food101", "caltech101", "cars", "sun397"])
def test_a_broken_picture_is_an_error_before_training(formats: Any, name: str) -> None:
    task = task_of(formats, name)
    assert len(task.labels) > 2
    for file in formats.root.rglob("*.jpg"):
        file.write_bytes(file.read_bytes()[:60])  # as an interrupted download leaves it
    with pytest.raises(DataError, match=name):
        ENTRIES[name].task(formats.root, SIZE, download=False)


def test_a_wrong_checksum_is_an_error(formats: Any) -> None:
    formats.cifar10()
    (formats.root / "cifar-10-batches-py" / "test_batch").write_bytes(b"other")
    with pytest.raises(DataError, match="corrupted"):
        ENTRIES["cifar10"].task(formats.root, SIZE, download=False)


def test_classes_that_differ_between_splits_are_an_error(formats: Any) -> None:
    formats.dtd()
    listing = formats.root / "dtd" / "dtd" / "labels" / "test1.txt"
    listing.write_text("banded/banded_2000.jpg\n")
    with pytest.raises(DataError, match="the same classes in train and val and test"):
        ENTRIES["dtd"].task(formats.root, SIZE, download=False)


def test_caltech_trains_on_thirty_a_class_and_leaves_the_background_out(formats: Any) -> None:
    task = task_of(formats, "caltech101")
    fit = torch.cat(list(task.folds[0][:2]))
    assert task.labels[fit].bincount().tolist() == [30, 30]
    assert task.labels[task.folds[0].val].bincount().tolist() == [5, 5]
    assert task.classes == ("Faces", "accordion")


def test_sun_splits_by_name_whatever_the_order_on_the_disk(
    formats: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(formats, "sun397")
    listing = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda *args: reversed(list(listing(*args))))
    again = ENTRIES["sun397"].task(formats.root, SIZE, download=False)
    assert torch.equal(again.labels, task.labels)
    assert all(torch.equal(again.pictures[row], task.pictures[row]) for row in range(0, 206, 20))
    fit = torch.cat(list(task.folds[0][:2]))
    assert task.labels[fit].bincount().tolist() == [50, 50]


def test_sun_follows_the_official_lists_where_they_are(formats: Any) -> None:
    formats.sun397(official=True)
    task = ENTRIES["sun397"].task(formats.root, SIZE, download=False)
    fold = task.folds[0]
    assert sorted(torch.cat([fold.train, fold.val]).tolist()) == [*range(3, 13), *range(110, 120)]
    assert fold.test.tolist() == [*range(20, 25), *range(130, 135)]


def test_flowers_rows_follow_the_lists_of_ids(formats: Any) -> None:
    task = task_of(formats, "flowers102")
    # Of ids 9, 2, 1, whose labels in the file, from 1, are 77, 102, 1.
    assert task.labels[task.folds[0].train].tolist() == [76, 101, 0]


def test_what_cannot_be_fetched_is_absent_and_says_so(tmp_path: Path) -> None:
    cars: Entry = ENTRIES["cars"]
    assert "torchvision cannot fetch it" in (cars.absent(tmp_path, download=True) or "")
    assert ENTRIES["dtd"].absent(tmp_path, download=True) is None
    assert "dtd" in (ENTRIES["dtd"].absent(tmp_path, download=False) or "")
