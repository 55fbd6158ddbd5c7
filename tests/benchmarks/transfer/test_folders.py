from __future__ import annotations

from typing import Any

import pytest
import torch
from transfer.data import folders
from transfer.data.entries import Entry
from transfer.data.errors import DataError
from transfer.data.folders import ClassFolders
from transfer.data.listings import listed
from transfer.data.sets import Task

SIZE = 16
ENTRIES: dict[str, Entry] = {entry.name: entry for entry in folders.SETS}


def load(formats: Any, name: str) -> Task:
    task = ENTRIES[name].task(formats.root, SIZE, download=False)
    every = torch.cat(list(task.folds[0]))
    assert len(set(every.tolist())) == len(every), "a row is in two splits"
    for row in every.tolist():
        assert task.pictures[row].shape == (3, SIZE, SIZE)
        assert task.pictures[row].dtype == torch.uint8
    return task


def sizes(task: Task) -> list[int]:
    return [len(rows) for rows in task.folds[0]]


def test_mit67_follows_its_lists(formats: Any) -> None:
    formats.mit67()
    task = load(formats, "mit67")
    assert task.classes == ("bakery", "bar")
    assert sizes(task) == [14, 2, 4]
    assert task.folds[0].test.tolist() == listed_rows(task, "TestImages.txt", formats)
    assert not task.few_shot


def listed_rows(task: Task, name: str, formats: Any) -> list[int]:
    folder = formats.root / "mit67"
    files = task.pictures.dataset.files  # type: ignore[attr-defined]
    return [files.index(line) for line in (folder / name).read_text().split()]


def test_mit67_as_train_and_test_folders(formats: Any) -> None:
    formats.folder("mit67/train", ["bakery", "bar"], 8)
    formats.folder("mit67/test", ["bakery", "bar"], 3)
    task = load(formats, "mit67")
    assert sizes(task) == [14, 2, 6]
    assert task.labels.tolist() == [0] * 8 + [1] * 8 + [0] * 3 + [1] * 3


def test_a_validation_folder_is_used(formats: Any) -> None:
    for split, count in (("train", 5), ("valid", 2), ("test", 3)):
        formats.folder(f"mit67/{split}", ["bakery", "bar"], count)
    assert sizes(load(formats, "mit67")) == [10, 4, 6]


def test_a_validation_folder_is_tested_on_if_there_is_no_other(formats: Any) -> None:
    formats.folder("plant_disease/train", ["scab", "rust"], 10)
    formats.folder("plant_disease/valid", ["scab", "rust"], 3)
    task = load(formats, "plant_disease")
    assert sizes(task) == [16, 4, 6]
    assert task.few_shot
    assert task.lives_on == "color"


def test_class_folders_alone_are_split(formats: Any) -> None:
    formats.folder("plant_disease", ["scab", "rust"], 10)
    assert sizes(load(formats, "plant_disease")) == [12, 4, 4]


def test_fc100_is_its_test_classes(formats: Any) -> None:
    for split, names in (("train", "abc"), ("val", "de"), ("test", "fgh")):
        formats.folder(f"fc100/{split}", list(names), 10)
    task = load(formats, "fc100")
    assert task.classes == ("f", "g", "h")
    assert len(task.labels) == 30
    assert task.few_shot


def test_splits_of_different_classes_are_an_error(formats: Any) -> None:
    formats.folder("mit67/train", ["bakery", "bar"], 3)
    formats.folder("mit67/test", ["bakery", "casino"], 3)
    with pytest.raises(DataError, match="bar, casino in one only"):
        load(formats, "mit67")


def test_an_empty_class_is_an_error(formats: Any) -> None:
    formats.folder("plant_disease", ["scab"], 3)
    (formats.root / "plant_disease" / "rust").mkdir()
    with pytest.raises(DataError, match="no valid file for the classes rust"):
        load(formats, "plant_disease")


def test_an_empty_folder_is_an_error(formats: Any) -> None:
    (formats.root / "fc100").mkdir()
    with pytest.raises(DataError, match=r"nothing in .*fc100.*Put the pictures there"):
        load(formats, "fc100")


def test_a_list_that_names_a_missing_picture_is_an_error(formats: Any) -> None:
    formats.mit67()
    (formats.root / "mit67" / "Images" / "bar" / "bar_1.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 4 missing: bar/bar_1.jpg"):
        load(formats, "mit67")


def test_classes_can_be_named_and_left_out(formats: Any) -> None:
    formats.folder("all", ["a", "b", "c"], 2)
    folder = formats.root / "all"
    assert ClassFolders(folder, ["c", "a"]).targets == [1, 1, 0, 0]
    assert ClassFolders(folder, without=["b"]).classes == ["a", "c"]
    with pytest.raises(DataError, match="1 missing: d"):
        ClassFolders(folder, ["a", "d"])


def test_lists_may_begin_with_a_slash(formats: Any) -> None:
    file = formats.root / "list.txt"
    file.write_text("/a/1.jpg\n\nb/2.jpg\n")
    assert listed(["b/2.jpg", "x", "a/1.jpg"], {"test": file})["test"].tolist() == [2, 0]
