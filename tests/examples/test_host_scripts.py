"""The scripts for Lightning and Lightly run, also without the lines that add AugSelf."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripts import EXAMPLES, check_marks, plain

pytest.importorskip("lightning")
pytest.importorskip("lightly")

SCRIPTS = (
    "lightning_simsiam",
    "lightly_moco",
    "lightly_swav",
    "supervised",
    "kornia_on_device",
)


@dataclass
class Outcome:
    """What a script printed, and what it logged step by step."""

    printed: str
    logged: list[dict[str, str]]


def smoke(script: Path, folder: Path, run: Callable[..., str]) -> Outcome:
    printed = run(script, "--smoke", "--logger", "csv", cwd=folder)
    (metrics,) = folder.glob("runs/*/version_0/metrics.csv")
    with metrics.open(newline="") as file:
        return Outcome(printed, list(csv.DictReader(file)))


@pytest.mark.parametrize("name", SCRIPTS)
def test_added_lines_are_few_and_all_that_names_augself(name: str) -> None:
    check_marks(EXAMPLES / f"{name}.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_with_and_without_augself(
    name: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    script = EXAMPLES / f"{name}.py"
    plain_script = plain(script, tmp_path / "without")
    (tmp_path / "with").mkdir()

    augself = smoke(script, tmp_path / "with", run)
    without = smoke(plain_script, tmp_path / "without", run)

    for term in ("augself/crop", "augself/color"):
        assert term in augself.printed
        assert term not in without.printed
    # The same weights, batches and views, so the same loss to the last bit, until the heads learn.
    assert (
        without.logged[0]["loss"] == augself.logged[0]["loss"] == augself.logged[0]["augself/base"]
    )
    assert without.logged[1]["loss"] != augself.logged[1]["loss"]


def test_accuracy_is_printed_and_tensorboard_written(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    pytest.importorskip("tensorboard")
    printed = run(EXAMPLES / "supervised.py", "--smoke", "--logger", "tensorboard", cwd=tmp_path)
    assert "category: test accuracy" in printed
    assert list(tmp_path.glob("runs/supervised/version_0/events.out.tfevents.*"))
