"""The scripts for Lightning and Lightly run, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import EXAMPLES, check_logged

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("lightning")
pytest.importorskip("lightly")

SCRIPTS = (
    "lightning_simsiam",
    "lightly_moco",
    "lightly_swav",
    "supervised",
    "lightning_two_loaders",
    "kornia_on_device",
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_with_and_without_augself(
    name: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    check_logged(name, "loss", tmp_path, run)


@pytest.mark.parametrize(
    ("objective", "terms"),
    [
        ("equimod", ["equimod"]),
        ("essl", ["essl"]),
        ("stl", ["equivariance", "transformation"]),
        ("care", ["care"]),
        ("both", ["augself/crop", "equimod/equimod"]),
    ],
)
def test_other_objectives(
    objective: str, terms: list[str], tmp_path: Path, run: Callable[..., str]
) -> None:
    script = EXAMPLES / "lightning_objectives.py"
    printed = run(script, "--smoke", "--objective", objective, cwd=tmp_path)
    assert all(f"objective/{name}" in printed for name in terms)


def test_a_conditioned_projector(tmp_path: Path, run: Callable[..., str]) -> None:
    printed = run(EXAMPLES / "lightly_cassle.py", "--smoke", cwd=tmp_path)
    assert "loss" in printed
    assert "objective/" not in printed


def test_accuracy_is_printed_and_tensorboard_written(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    pytest.importorskip("tensorboard")
    printed = run(EXAMPLES / "supervised.py", "--smoke", "--logger", "tensorboard", cwd=tmp_path)
    assert "category: test accuracy" in printed
    assert list(tmp_path.glob("runs/supervised/version_0/events.out.tfevents.*"))
