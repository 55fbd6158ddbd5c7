"""The offline set as one file: the same rows, nearly the same pictures, or refused by name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from transfer.data import bundle, offline, settings
from transfer.data.errors import DataError
from transfer.data.memory import InMemory
from transfer.data.sets import Fold, Task

SIZE = 40


@pytest.fixture(scope="module")
def file(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "offline.zip"
    assert bundle.write(built, SIZE, path) == path.stat().st_size
    return path


def same(one: Fold, other: Fold) -> bool:
    return all(map(torch.equal, one, other))


def check(one: Task, other: Task) -> None:
    assert torch.equal(one.labels, other.labels)
    assert all(map(same, one.folds, other.folds))
    pictures, coded = (task.pictures for task in (one, other))
    assert isinstance(pictures, InMemory)
    assert isinstance(coded, InMemory)
    assert pictures.images.shape == coded.images.shape
    difference = (pictures.images.float() - coded.images.float()).abs().mean()
    assert 0 < difference < 25  # blocks of noise, the worst there is for a coder


@pytest.mark.slow
def test_a_bundle_holds_the_sets(built: Path, file: Path) -> None:
    whole, bundled = offline.load(built, SIZE), settings.load(bundle.NAME, file, SIZE, 32)
    assert bundled.name == bundle.NAME != whole.name
    assert bundled.classes == whole.classes
    check(whole.held_out, bundled.held_out)
    assert list(whole.tasks) == list(bundled.tasks)
    for name in whole.tasks:
        check(whole.tasks[name], bundled.tasks[name])
    assert len(settings.load(bundle.NAME, file, None, 32).tasks) == len(whole.tasks)


def test_what_is_no_bundle_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pictures of 32 pixels.*found version 1 with 40"):
        bundle.load(file, 32)
    with pytest.raises(DataError, match="FileNotFoundError"):
        bundle.load(tmp_path / "none.zip", SIZE)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(DataError, match="BadZipFile"):
        bundle.load(broken, SIZE)
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("bundle.json", json.dumps({"version": bundle.VERSION, "size": SIZE}))
    with pytest.raises(DataError, match=r"KeyError.*python -m transfer bundle"):
        bundle.load(broken, SIZE)
