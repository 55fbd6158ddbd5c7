"""The offline set as one file: the same rows, nearly the same pictures, or refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from transfer.data import bundle, offline, settings
from transfer.data.building import locate
from transfer.data.errors import DataError
from transfer.data.memory import InMemory
from transfer.data.sets import Fold, Task

pytestmark = pytest.mark.slow

SIZE = 40
SCRIPT = Path(bundle.__file__).parents[1] / "gpu.sh"


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
    decoded = sorted(file.with_name("offline.zip.decoded").iterdir())
    assert len(decoded) == len(offline.sets_of("offline"))
    again = settings.load(bundle.NAME, file, SIZE, 32)
    for name, task in again.tasks.items():
        first, second = (setting.tasks[name].pictures for setting in (bundled, again))
        assert isinstance(first, InMemory)
        assert isinstance(second, InMemory)
        assert torch.equal(first.images, second.images)
        assert torch.equal(task.labels, bundled.tasks[name].labels)


@pytest.mark.slow
def test_a_larger_bundle_is_cut_anew(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "COUNTS", {0: 20, 1: 10})
    offline.fetch_and_build(tmp_path, packages=packages, progress=False, stored=80)
    assert not (tmp_path / "sets").exists()
    sizes = [
        bundle.write(tmp_path, 80, tmp_path / "80.zip", quality=quality) for quality in (90, None)
    ]
    assert sizes[1] < sizes[0]
    loaded = settings.load(bundle.NAME, tmp_path / "80.zip", 80, 64)
    pretrained = loaded.pretrain
    assert isinstance(pretrained, InMemory)
    assert pretrained.images.shape[1:] == (3, 80, 80)
    with pytest.raises(ValueError, match="stored at 64 to 80 pixels, not at 96"):
        offline.load(tmp_path, 96, stored=96)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell script")
def test_the_script_for_a_gpu_stops_in_time_and_says_what_it_is_for(
    file: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def script(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPT), *words], cwd=tmp_path, env={**os.environ, "PATH": path},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    asked = script()
    assert asked.returncode == 2
    assert "gpu.sh offline-80.zip results 8 12" in asked.stdout
    done = script(str(file), "out", "0.1", "1", "--smoke", "--methods", "simclr", "--seeds", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 2 runs finished" in done.stdout
    assert (tmp_path / "out" / "runs.jsonl").read_text() == ""


@pytest.mark.slow
def test_the_larger_tests_have_a_bundle_of_their_own(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "larger.zip"
    bundle.write(built, SIZE, path, "offline-2")
    whole = offline.load(built, SIZE, "offline-2")
    bundled = settings.load("offline-2-webp", path, SIZE, 32)
    assert bundled.name == "offline-2-webp"
    assert list(whole.tasks) == list(bundled.tasks)
    check(whole.tasks["above"], bundled.tasks["above"])


def test_a_bundle_of_other_tasks_is_refused(file: Path) -> None:
    with pytest.raises(DataError, match=r"KeyError.*bundle --data offline-2 --path"):
        settings.load("offline-2-webp", file, SIZE, 32)


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
