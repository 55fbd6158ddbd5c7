"""Example scripts, and the plain ones that are left when the lines marked for AugSelf go."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

Printing = Callable[..., str]
"""Runs a script with its arguments in the folder ``cwd``; returns what it printed."""

EXAMPLES = Path(__file__).parents[2] / "examples"
ADDED = "# + AugSelf"


def check_marks(script: Path) -> None:
    """Assert that few lines are added, and that they are all that names AugSelf."""
    lines = script.read_text().splitlines()
    code = script.read_text().split('"""', maxsplit=2)[2]  # without the module's docstring
    assert 0 < sum(line.endswith(ADDED) for line in lines) <= 10
    named = [line for line in code.splitlines() if "augself" in line.lower()]
    assert all(ADDED in line for line in named if "startswith" not in line)


def plain(script: Path, folder: Path) -> Path:
    """Write the script without its added lines."""
    folder.mkdir(exist_ok=True)
    kept = [line for line in script.read_text().splitlines() if not line.endswith(ADDED)]
    (folder / script.name).write_text("\n".join(kept))
    return folder / script.name


def check_logged(name: str, loss: str, folder: Path, run: Printing) -> None:
    """Run a script of Lightning's whole and without its added lines, and compare what they log.

    Args:
        name: the script's.
        loss: under which name it logs its own loss, step by step.
        folder: an empty one.
        run: runs a script.
    """
    script = EXAMPLES / f"{name}.py"
    check_marks(script)
    (folder / "with").mkdir()
    printed, augself = _logged(script, loss, folder / "with", run)
    plain_script = plain(script, folder / "without")
    plainly_printed, alone = _logged(plain_script, loss, folder / "without", run)
    for term in ("augself/crop", "augself/color"):
        assert term in printed
        assert term not in plainly_printed
    # The same weights, batches and views, so the same loss, until the heads learn: to the last bit
    # where the views are, and fused views equal Kornia's to the 1e-5 that their form promises.
    assert len(alone) == len(augself) >= 2
    fused = 'apply="fused"' in script.read_text()
    assert float(augself[0]) == pytest.approx(float(alone[0]), rel=1e-5 if fused else 0, abs=0)
    assert alone[1] != augself[1]


def _logged(script: Path, loss: str, folder: Path, run: Printing) -> tuple[str, list[str]]:
    printed = run(script, "--smoke", "--logger", "csv", cwd=folder)
    (metrics,) = folder.glob("runs/*/version_0/metrics.csv")
    with metrics.open(newline="") as file:
        return printed, [row[loss] for row in csv.DictReader(file) if row[loss]]


def check_printed(name: str, folder: Path, run: Printing) -> None:
    """Run a script with a loop of its own, whole and without its added lines."""
    script = EXAMPLES / f"{name}.py"
    check_marks(script)
    with_term = run(script, "--smoke", cwd=folder)
    without = run(plain(script, folder / "without"), "--smoke", cwd=folder)
    for row in ("base", "crop", "color"):
        assert row in with_term
        assert row not in without
    assert "loss" in without
