"""The example scripts run, and read the data that they say they read."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from PIL import Image
from scripts import check_marks, check_printed, plain
from torchvision import datasets

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
Run: TypeAlias = Callable[..., str]


def test_quickstart_measures_and_draws(tmp_path: Path, run: Run) -> None:
    printed = run(EXAMPLES / "quickstart.py", "--smoke", "--threads", "1", cwd=tmp_path)
    for measured in ("AugSelf term: crop", "color read from two views: R²", "skintone: linear"):
        assert measured in printed
    with Image.open(tmp_path / "quickstart.png") as picture:
        assert picture.width > 1000


def test_quickstart_runs_on_a_folder_of_pictures(tmp_path: Path, run: Run) -> None:
    generator = torch.Generator().manual_seed(0)
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(200):
            pixels = torch.randint(0, 256, (20, 24, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(tmp_path / "pets" / name / f"{i}.png")
    options = ("--data", "imagefolder", "--path", tmp_path / "pets", "--method", "simclr")
    printed = run(EXAMPLES / "quickstart.py", "--smoke", "--threads", "1", *options, cwd=tmp_path)
    assert "pets: linear" in printed


def test_a_plain_loop_needs_the_library_alone(tmp_path: Path, run: Run) -> None:
    script = EXAMPLES / "plain.py"
    source = script.read_text()
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert imported == {"torch", "kornia", "augself_loss"}
    assert len(source.splitlines()) <= 40
    printed = run(script, cwd=tmp_path)
    assert len(printed.splitlines()) == 5
    assert "crop" in printed


@pytest.mark.parametrize("objective", ["cassle", "equimod", "essl", "stl", "care"])
def test_a_plain_loop_with_other_objectives(objective: str, tmp_path: Path, run: Run) -> None:
    script = EXAMPLES / "plain_objectives.py"
    printed = run(script, "--smoke", "--objective", objective, cwd=tmp_path)
    assert printed.startswith("0 SimCLR")


def test_every_script_is_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text()
    scripts = [path.name for path in EXAMPLES.glob("*.py")]
    assert [name for name in scripts if f"({name})" not in index] == []


def test_an_augmentation_of_your_own(tmp_path: Path, run: Run) -> None:
    assert "vignette" in run(EXAMPLES / "own_augmentation.py", cwd=tmp_path)


def test_places_that_match_are_drawn(tmp_path: Path, run: Run) -> None:
    printed = run(EXAMPLES / "matching_places.py", cwd=tmp_path)
    assert printed.startswith("view 2 shows ")
    with Image.open(tmp_path / "matching_places.png") as picture:
        assert picture.width > 800


def test_a_public_script_with_two_crops(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("lightning")  # which the examples' command line seeds by
    assert len((EXAMPLES / "simsiam_two_crops.py").read_text().splitlines()) <= 70
    check_printed("simsiam_two_crops", tmp_path, run)


@pytest.mark.parametrize("source", ["cifar10", "stl10"])
def test_downloaded_sets_become_tensors(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    images = importlib.import_module("_shared.images")

    def small(_root: Path, **_options: Any) -> datasets.FakeData:
        return datasets.FakeData(12, (3, 16, 20), num_classes=3)

    monkeypatch.setattr(datasets, "CIFAR10", small)
    monkeypatch.setattr(datasets, "STL10", small)
    pictures, (task,) = images.load(source, tmp_path, 8, limit=10)
    assert pictures.shape == (10, 3, 8, 8)
    assert pictures.dtype == torch.uint8
    assert task.images.shape == (20, 3, 8, 8)
    assert task.split.tolist() == [0] * 10 + [1] * 10


def test_a_set_without_its_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    images = importlib.import_module("_shared.images")
    with pytest.raises(SystemExit, match="needs the folder"):
        images.load("cifar10", None, 8)


def test_a_plain_loop_with_workers_and_without_augself(tmp_path: Path, run: Run) -> None:
    script = EXAMPLES / "plain_moco.py"
    check_marks(script)
    printed = run(script, "--smoke", cwd=tmp_path)
    assert all(row in printed for row in ("loss", "base", "crop", "color"))
    whole = torch.load(tmp_path / "plain_moco.pt", weights_only=True)

    # A run of one epoch, resumed, ends at the same weights bit for bit.
    run(script, "--smoke", "--epochs", "1", cwd=tmp_path)
    run(script, "--smoke", "--resume", cwd=tmp_path)
    resumed = torch.load(tmp_path / "plain_moco.pt", weights_only=True)
    for part in ("model", "augself"):
        assert whole[part].keys() == resumed[part].keys()
        assert all(resumed[part][name].equal(tensor) for name, tensor in whole[part].items())

    printed = run(plain(script, tmp_path / "plain"), "--smoke", cwd=tmp_path)
    assert "loss" in printed
    assert "crop" not in printed
