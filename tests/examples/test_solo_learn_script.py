"""The script for solo-learn runs, also without the lines that add AugSelf."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("solo")

SCRIPT = Path(__file__).parents[2] / "examples" / "solo_learn_simclr.py"
ADDED = "# + AugSelf"


def smoke(script: Path, folder: Path, run: Callable[..., str]) -> tuple[str, list[dict[str, str]]]:
    """Return what a script printed, and what it logged step by step."""
    printed = run(script, "--smoke", cwd=folder)
    (metrics,) = folder.glob("runs/*/version_0/metrics.csv")
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return printed, [row for row in rows if row["train_nce_loss_step"]]


def test_added_lines_are_few_and_all_that_names_augself() -> None:
    code = SCRIPT.read_text().split('"""', maxsplit=2)[2].splitlines()
    assert 0 < sum(line.endswith(ADDED) for line in code) <= 10
    named = [line for line in code if "augself" in line.lower() and "startswith" not in line]
    assert all(ADDED in line for line in named)


def test_script_with_and_without_augself(tmp_path: Path, run: Callable[..., str]) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    plain_script = tmp_path / "without" / SCRIPT.name
    kept = [line for line in SCRIPT.read_text().splitlines() if not line.endswith(ADDED)]
    plain_script.write_text("\n".join(kept))
    printed, logged = smoke(SCRIPT, tmp_path / "with", run)
    plain, alone = smoke(plain_script, tmp_path / "without", run)
    for term in ("augself/crop", "augself/color"):
        assert term in printed
        assert term not in plain
    assert len(alone) == len(logged) == 4
    # The same weights, batches and views, so the same loss to the last bit, until the heads learn.
    losses = [[row["train_nce_loss_step"] for row in rows] for rows in (alone, logged)]
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]
