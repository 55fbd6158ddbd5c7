"""The offline setting loads without leaks; what is missing, broken or old is named and rebuilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transfer.data import offline
from transfer.data.building import store
from transfer.data.building.packages import PackageError
from transfer.data.building.rows import Built
from transfer.data.memory import InMemory
from transfer.data.offline_tasks import held_out_task
from transfer.data.sets import Setting, Task
from transfer.evaluation.checks import check_setting
from transfer.evaluation.settings import EvaluationSettings


@pytest.fixture(scope="module")
def setting(built: Path) -> Setting:
    return offline.load(built)


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the built folder, to break."""
    shutil.copytree(built / "sets", tmp_path / "sets")
    return tmp_path


def images(data: object) -> torch.Tensor:
    assert isinstance(data, InMemory)
    return data.images


def fingerprints(pictures: torch.Tensor) -> set[bytes]:
    return {picture.numpy().tobytes() for picture in pictures}


def every_task(setting: Setting) -> list[Task]:
    return [setting.held_out, *setting.tasks.values()]


def test_the_seven_tasks_are_there(setting: Setting) -> None:
    assert {name: task.lives_on for name, task in setting.tasks.items()} == {
        "skintone": "color",
        "flags": "color",
        "materials": "texture",
        "locate": "position",
        "tuxphoto": "category",
        "emojicat": "category",
        "fashion": "grey control",
    }
    few_shot = {name for name, task in setting.tasks.items() if task.few_shot}
    assert few_shot == {"flags", "materials", "tuxphoto", "emojicat"}
    boxes = setting.tasks["locate"].boxes
    assert boxes is not None
    assert boxes.shape == (260, 4)
    assert [len(task.folds) for task in setting.tasks.values()] == [1, 1, 5, 1, 5, 1, 1]


def test_folds_have_no_row_twice_and_leave_none_out(setting: Setting) -> None:
    for task in every_task(setting):
        for fold in task.folds:
            assert all(len(part) for part in fold)
            assert torch.cat(fold).sort().values.tolist() == list(range(len(task.labels)))


def test_no_group_is_in_two_splits(built: Path, setting: Setting) -> None:
    for name in ("skintone", "materials", "tuxphoto", "locate", "emojicat"):
        groups = store.read(built / "sets", name).columns["group"]
        for fold in setting.tasks[name].folds:
            train, val, test = ({groups[row] for row in part.tolist()} for part in fold)
            assert not train & val | train & test | val & test, name


def test_crossvalidation_tests_every_row_once(setting: Setting) -> None:
    for name in ("materials", "tuxphoto"):
        task = setting.tasks[name]
        tested = torch.cat([fold.test for fold in task.folds])
        assert tested.sort().values.tolist() == list(range(len(task.labels)))


def test_flags_are_chosen_on_another_vendor_than_they_are_scored_on(setting: Setting) -> None:
    (fold,) = setting.tasks["flags"].folds
    assert [part.tolist() for part in fold] == [[0, 1, 2], [3, 4, 5], list(range(6, 12))]


def test_no_method_trains_on_held_out_pictures(setting: Setting) -> None:
    (fold,) = setting.held_out.folds
    trained = fingerprints(images(setting.pretrain))
    held_out = images(setting.held_out.pictures)
    assert not trained & fingerprints(held_out[fold.test])
    assert fingerprints(held_out[torch.cat([fold.train, fold.val])]) <= trained
    assert len(setting.held_out.classes) == setting.classes
    fitted = set(setting.held_out.labels[torch.cat([fold.train, fold.val])].tolist())
    assert set(setting.held_out.labels[fold.test].tolist()) <= fitted


def test_in_domain_accuracy_is_fitted_on_a_like_share_of_every_class() -> None:
    sizes = [8000, 3000, 40, 9]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    held_out = [int(row % 9 == 0) for row in range(len(labels))]
    columns: dict[str, list[Any]] = {
        "held_out": held_out,
        "group": [f"crop {row}" for row in range(len(labels))],
    }
    pictures = torch.arange(len(labels)).view(-1, 1, 1, 1).expand(-1, 3, 2, 2).byte()
    built = Built(pictures.numpy(), labels, list("abcd"), columns)

    task = held_out_task(built, pictures)

    (fold,) = task.folds
    fitted = torch.cat([fold.train, fold.val])
    assert len(fitted) == 5000
    assert len(fold.test) == sum(held_out)
    shares = task.labels[fitted].bincount() / torch.tensor(sizes)
    assert shares[:2].tolist() == pytest.approx([5000 / 11000] * 2, abs=0.02)
    assert task.labels[fitted].bincount()[2:].min() >= 5
    assert len(fold.val) == 1000
    assert set(task.labels[fold.train].tolist()) == {0, 1, 2, 3}


@pytest.fixture(scope="module")
def larger(built: Path) -> Setting:
    return offline.load(built, name="offline-2")


def test_the_larger_setting_asks_more_of_the_same_network(
    setting: Setting, larger: Setting
) -> None:
    assert torch.equal(images(larger.pretrain), images(setting.pretrain))
    assert torch.equal(images(larger.held_out.pictures), images(setting.held_out.pictures))
    assert {n: (t.lives_on, t.few_shot) for n, t in larger.tasks.items()} == {
        **{n: (t.lives_on, t.few_shot) for n, t in setting.tasks.items()},
        **dict.fromkeys(("patch", "above", "left"), ("position", False)),
    }
    assert {n: len(t.folds) for n, t in larger.tasks.items()} == {
        "skintone": 5,
        "flags": 2,
        "materials": 15,
        "locate": 2,
        "patch": 2,
        "above": 2,
        "left": 2,
        "tuxphoto": 15,
        "emojicat": 1,
        "fashion": 1,
    }
    assert [larger.tasks[n].views for n in ("patch", "above", "left")] == [1, 2, 2]
    assert larger.tasks["above"].pictures is larger.tasks["left"].pictures
    assert len(images(larger.tasks["above"].pictures)) == 2 * len(larger.tasks["above"].labels)
    assert not torch.equal(larger.tasks["above"].labels, larger.tasks["left"].labels)
    check_setting(larger, replace(EvaluationSettings.small(), ways=2))
    with pytest.raises(KeyError):
        offline.sets_of("offline-3")


def test_larger_tests_have_no_group_on_two_sides(larger: Setting) -> None:
    for name, task in larger.tasks.items():
        for fold in task.folds:
            groups = [set(part.tolist()) for part in fold]
            if task.groups is not None and name != "flags":  # which are known again, all of them
                groups = [set(task.groups[part].tolist()) for part in fold]
            train, val, test = groups
            assert not train & val | train & test | val & test, name


def test_every_row_is_scored_equally_often(larger: Setting) -> None:
    times = {"skintone": 1, "materials": 3, "locate": 1, "patch": 1, "above": 1, "tuxphoto": 3}
    for name, count in times.items():
        task = larger.tasks[name]
        tested = torch.cat([fold.test for fold in task.folds]).bincount()
        assert tested.tolist() == [count] * len(task.labels), name


def test_repeated_folds_begin_with_the_sets_own(setting: Setting, larger: Setting) -> None:
    for name in ("materials", "tuxphoto"):
        first, all_of_them = setting.tasks[name].folds, larger.tasks[name].folds
        for one, other in zip(first, all_of_them, strict=False):
            assert all(map(torch.equal, one, other))
        assert not torch.equal(all_of_them[0].test, all_of_them[5].test)


def test_vendors_take_turns(built: Path, larger: Setting) -> None:
    vendor = store.read(built / "sets", "flags-2").columns["vendor"]
    used = [
        [{vendor[row] for row in part.tolist()} for part in f] for f in larger.tasks["flags"].folds
    ]
    assert used == [
        [{"iso"}, {"twemoji"}, {"emojione", "noto"}],
        [{"noto"}, {"iso"}, {"emojione", "twemoji"}],
    ]
    vendor = store.read(built / "sets", "skintone-2").columns["vendor"]
    for fold in larger.tasks["skintone"].folds:
        train, val, test = ({vendor[row] for row in part.tolist()} for part in fold)
        assert train == val == {"twemoji"} < test


def test_pretraining_rows_are_pictures_with_their_class(setting: Setting) -> None:
    picture, label = setting.pretrain[5]
    assert picture.shape == (3, 64, 64)
    assert 0 <= label < setting.classes
    batch = next(iter(torch.utils.data.DataLoader(setting.pretrain, batch_size=6)))
    assert batch[0].shape == (6, 3, 64, 64)
    assert torch.equal(batch[0][5], picture)
    assert batch[1][5] == label


def test_smaller_pictures_are_made_once(built: Path, setting: Setting) -> None:
    small = offline.load(built, 40)
    assert images(small.pretrain).shape[1:] == (3, 40, 40)
    whole = images(setting.pretrain).float().mean()
    assert images(small.pretrain).float().mean() == pytest.approx(whole, abs=1)
    kept = sorted((built / "resized").iterdir())
    stamps = [path.stat().st_mtime_ns for path in kept]
    again = offline.load(built, 40)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert torch.equal(images(again.held_out.pictures), images(small.held_out.pictures))


@pytest.mark.parametrize("size", [0, 65, 96])
def test_larger_pictures_than_there_are_are_refused(size: int, built: Path) -> None:
    with pytest.raises(ValueError, match=f"stored at 64 pixels; expected 1 to 64: {size}"):
        offline.load(built, size)


def cut_off(folder: Path) -> None:
    path = folder / "flags.npy"
    path.write_bytes(path.read_bytes()[:-1000])


def one_bit(folder: Path) -> None:
    path = folder / "flags.npy"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)


def other_labels(folder: Path) -> None:
    path = folder / "flags.json"
    path.write_text(path.read_text().replace("iso", "osi"))


def removed(folder: Path) -> None:
    (folder / "flags.json").unlink()


def older(folder: Path) -> None:
    path = folder / store.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["flags"]["version"] = 0
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut_off, r"flags\.npy differ"),
        (one_bit, r"flags\.npy differ"),
        (other_labels, r"flags\.json differ"),
        (removed, "flags is missing"),
        (older, "flags is of version 0, expected"),
    ],
)
def test_a_spoilt_set_is_refused_and_built_anew(
    spoil: Callable[[Path], None], message: str, copy: Path, packages: Path
) -> None:
    whole = (copy / "sets/manifest.json").read_text()
    spoil(copy / "sets")
    with pytest.raises(store.BrokenSetError, match=message + ".*fetch_and_build"):
        offline.load(copy)
    assert offline.fetch_and_build(copy, packages=packages, progress=False) == ["flags"]
    assert (copy / "sets/manifest.json").read_text() == whole  # to the last bit
    assert offline.load(copy).tasks["flags"].classes


def test_built_sets_need_no_package(built: Path, tmp_path: Path) -> None:
    assert offline.fetch_and_build(built, packages=tmp_path, progress=False) == []


def test_a_manifest_of_garbage_vouches_for_nothing(copy: Path) -> None:
    (copy / "sets/manifest.json").write_text("{half")
    with pytest.raises(store.BrokenSetError, match="pretrain is missing"):
        offline.load(copy)


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Unknown sets \['cars'\]; .*skintone"):
        offline.fetch_and_build(tmp_path, ["cars"])


def test_a_failed_build_keeps_what_was_finished(packages: Path, tmp_path: Path) -> None:
    some = tmp_path / "packages"
    shutil.copytree(packages, some)
    damaged = some / "deb/dataset-fashion-mnist_1.0-1_all.deb"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with pytest.raises(PackageError, match="dataset-fashion-mnist"):
        offline.fetch_and_build(tmp_path, ["tuxphoto", "fashion"], progress=False)
    assert store.fault(tmp_path / "sets", "tuxphoto") is None
    assert store.fault(tmp_path / "sets", "fashion") == "fashion is missing"
