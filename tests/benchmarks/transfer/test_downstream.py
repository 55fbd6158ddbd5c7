from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import STL10
from torchvision.transforms.v2.functional import pil_to_tensor
from transfer.data import downstream, paper_sets
from transfer.data.errors import DataError
from transfer.data.memory import InMemory
from transfer.data.sets import Setting

SIZE = 16


def load(name: str, path: Path, **changes: Any) -> Setting:
    given: dict[str, Any] = {"download": False, "classes": None, "say": lambda _: None}
    return downstream.load(name, path, SIZE, **{**given, **changes})


def count(rows: Dataset[Any]) -> int:
    return len(rows)  # type: ignore[arg-type]


def check(setting: Setting, pretrain_size: int = SIZE) -> None:
    """What every setting keeps."""
    picture, label = setting.pretrain[0]
    assert picture.shape == (3, pretrain_size, pretrain_size)
    assert picture.dtype == torch.uint8
    assert isinstance(label, int)
    images, labels = next(iter(DataLoader(setting.pretrain, batch_size=2, num_workers=0)))
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    held_out = setting.held_out
    assert held_out.pictures[0].shape == (3, SIZE, SIZE)
    assert count(held_out.pictures) == len(held_out.labels)
    for fold in held_out.folds:
        every = torch.cat(list(fold))
        assert len(set(every.tolist())) == len(every)
        assert all(len(rows) for rows in fold)


def test_stl10(formats: Any) -> None:
    formats.stl10()
    setting = load("stl10", formats.root, pretrain_size=96)
    check(setting, pretrain_size=96)
    assert isinstance(setting.pretrain, InMemory)
    assert setting.pretrain.images.shape == (6, 3, 96, 96)
    assert setting.pretrain[0][1] == -1
    assert setting.classes == 0  # the supervised method refuses it
    assert setting.held_out.classes == ("airplane", "bird")
    assert [len(rows) for rows in setting.held_out.folds[0]] == [18, 2, 20]


def test_stl10_pictures_are_not_transposed(formats: Any) -> None:
    formats.stl10()
    setting = load("stl10", formats.root, pretrain_size=96)
    dataset = STL10(formats.root, split="unlabeled")
    for row in range(len(dataset)):
        assert torch.equal(setting.pretrain[row][0], pil_to_tensor(dataset[row][0]))


def test_stl10_in_another_size(formats: Any) -> None:
    formats.stl10()
    check(load("stl10", formats.root, pretrain_size=40), pretrain_size=40)


def test_stl10_for_the_supervised_method(formats: Any) -> None:
    formats.stl10()
    setting = load("stl10-train", formats.root)
    check(setting)
    assert count(setting.pretrain) == 20
    assert [setting.pretrain[row][1] for row in range(4)] == [0, 1, 0, 1]
    assert setting.classes == 2
    assert len(setting.held_out.labels) == 20  # of test alone


def test_stl10_with_a_wrong_checksum_is_an_error(formats: Any) -> None:
    formats.stl10()
    (formats.root / "stl10_binary" / "test_y.bin").write_bytes(b"\x01")
    with pytest.raises(DataError, match=r"checksum is not torchvision's.*--download"):
        load("stl10", formats.root)


def test_stl10_without_names_is_an_error(formats: Any) -> None:
    formats.stl10()
    (formats.root / "stl10_binary" / "class_names.txt").unlink()
    with pytest.raises(DataError, match=r"class_names.txt is missing"):
        load("stl10", formats.root)


def imagenet(formats: Any, place: str, classes: int) -> list[str]:
    names = [f"n{number:08d}" for number in range(classes)]
    formats.folder(f"{place}train", names, 2)
    formats.folder(f"{place}val", names, 5)
    return names


def test_imagenet100_as_a_folder_of_a_hundred_classes(formats: Any) -> None:
    imagenet(formats, "imagenet100/", 100)
    setting = load("imagenet100", formats.root, pretrain_size=20)
    check(setting, pretrain_size=20)
    assert (count(setting.pretrain), setting.classes) == (200, 100)
    assert [len(rows) for rows in setting.held_out.folds[0]] == [300, 100, 100]


def test_imagenet100_as_a_list_of_classes(formats: Any) -> None:
    names = imagenet(formats, "", 103)
    listing = formats.root / "classes.txt"
    listing.write_text("".join(f"{name} its name\n" for name in reversed(names[2:102])) + "\n")
    setting = load("imagenet100", formats.root, classes=listing)
    check(setting)
    assert setting.held_out.classes == tuple(names[2:102])
    assert (count(setting.pretrain), len(setting.held_out.labels)) == (200, 500)
    files = setting.pretrain.pictures.dataset.files  # type: ignore[attr-defined]
    assert {file.split("/")[0] for file in files} == set(names[2:102])


def test_imagenet100_needs_a_hundred(formats: Any) -> None:
    names = imagenet(formats, "imagenet/", 3)
    with pytest.raises(DataError, match=r"100 class folders in .*train; found 3.*--classes FILE"):
        load("imagenet100", formats.root)
    listing = formats.root / "classes.txt"
    with pytest.raises(DataError, match="Correct its path"):
        load("imagenet100", formats.root, classes=listing)
    listing.write_text("\n".join(names * 2))
    with pytest.raises(DataError, match="found 6, n00000000, n00000001, n00000002 more than once"):
        load("imagenet100", formats.root, classes=listing)
    listing.write_text("\n".join(f"n{number:08d}" for number in range(100)))
    with pytest.raises(DataError, match=r"a folder for each of 100 classes .*found 97 missing"):
        load("imagenet100", formats.root, classes=listing)


def test_imagenet100_needs_its_folders(formats: Any) -> None:
    (formats.root / "ILSVRC").mkdir()
    with pytest.raises(DataError, match=r"train and val .*found in .*ILSVRC/\. Unpack"):
        load("imagenet100", formats.root)


def test_imagefolder_with_splits(formats: Any) -> None:
    formats.folder("train", ["cat", "dog"], 4)
    formats.folder("val", ["cat", "dog"], 5)
    setting = load("imagefolder", formats.root)
    check(setting)
    assert (count(setting.pretrain), setting.classes) == (8, 2)
    assert len(setting.held_out.labels) == 10


def test_imagefolder_without_splits_holds_a_fifth_out(formats: Any) -> None:
    formats.folder(".", ["cat", "dog"], 25)
    formats.dtd()  # beside them, and no class
    setting = load("imagefolder", formats.root)
    check(setting)
    assert setting.held_out.classes == ("cat", "dog")
    assert (count(setting.pretrain), len(setting.held_out.labels)) == (40, 10)
    trained, held = setting.pretrain.pictures.indices, setting.held_out.pictures.indices  # type: ignore[attr-defined]
    assert not set(trained) & set(held)
    assert set(setting.tasks) == {"dtd"}


def test_imagefolder_needs_two_classes(formats: Any) -> None:
    formats.folder(".", ["cat"], 3)
    with pytest.raises(DataError, match="at least two class folders"):
        load("imagefolder", formats.root)


def test_downstream_sets_that_are_absent_are_listed(formats: Any) -> None:
    formats.stl10()
    formats.cifar10()
    formats.cub200()
    said: list[str] = []
    setting = load("stl10", formats.root, say=said.append)
    assert set(setting.tasks) == {"cifar10", "cub200", "cub200_boxes"}
    absent = {entry.name for entry in paper_sets.SETS} - set(setting.tasks)
    assert said[0] == f"Skipped {len(absent)} downstream sets that are not on the disk:"
    assert {line.split(":")[0].strip() for line in said[1:]} == absent


def test_a_broken_downstream_set_is_an_error_not_skipped(formats: Any) -> None:
    formats.stl10()
    (formats.root / "food-101").mkdir()
    with pytest.raises(DataError, match=r"Expected food101 as .*go on without food101"):
        load("stl10", formats.root)


def test_the_paper_averages_eleven_sets() -> None:
    assert len(paper_sets.LINEAR) == 11
    names = [entry.name for entry in paper_sets.SETS]
    assert len(set(names)) == len(names) == 15
    few_shot = [entry.name for entry in paper_sets.SETS if entry.few_shot]
    assert few_shot == ["fc100", "plant_disease", "cub200"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("imagenet", {}, "one of stl10, stl10-train, imagenet100, imagefolder; found 'imagenet'"),
        ("stl10", {"classes": Path("list.txt")}, "Leave --classes out"),
        ("stl10", {}, "STL-10 as .*found no .*stl10_binary"),
        ("imagefolder", {}, "found nothing in"),
    ],
)
def test_bad_input_is_refused(
    tmp_path: Path, name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(name, tmp_path, **changes)


def test_a_wrong_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder of the data sets; found no .*nowhere.*--path"):
        load("stl10", tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="found a file"):
        load("imagefolder", tmp_path / "file", download=True)
    with pytest.raises(DataError, match="found size 0"):
        downstream.load("stl10", tmp_path, 0, download=False, classes=None)
