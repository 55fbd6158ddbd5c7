"""The script for stable-pretraining runs, also without the lines that add AugSelf."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("stable_pretraining")

SCRIPT = Path(__file__).parents[2] / "examples" / "stable_pretraining_simclr.py"
ADDED = "# + AugSelf"


def smoke(script: Path, folder: Path, run: Callable[..., str]) -> tuple[str, list[dict[str, str]]]:
    """Run it for a few steps; return what it printed, and what it logged step by step."""
    printed = run(script, "--smoke", "--logger", "csv", cwd=folder)
    (metrics,) = folder.glob("runs/*/version_0/metrics.csv")
    with metrics.open(newline="") as file:
        return printed, [row for row in csv.DictReader(file) if row["fit/loss_step"]]


def test_added_lines_are_few_and_all_that_names_augself() -> None:
    code = SCRIPT.read_text().split('"""', maxsplit=2)[2].splitlines()
    assert 0 < sum(line.endswith(ADDED) for line in code) <= 10
    assert all(ADDED in line for line in code if "augself" in line.lower())


def test_script_with_and_without_augself(
    tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LOGURU_LEVEL", "ERROR")
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    plain_script = tmp_path / "without" / SCRIPT.name
    kept = [line for line in SCRIPT.read_text().splitlines() if not line.endswith(ADDED)]
    plain_script.write_text("\n".join(kept))

    printed, augself = smoke(SCRIPT, tmp_path / "with", run)
    plainly_printed, plain = smoke(plain_script, tmp_path / "without", run)

    for term in ("augself/crop", "augself/color"):
        assert term in printed
        assert term not in plainly_printed
    # The same weights, batches and views, so the same loss to the last bit, until the heads learn.
    first = augself[0]
    assert plain[0]["fit/loss_step"] == first["fit/loss_step"] == first["augself/base"]
    assert plain[1]["fit/loss_step"] != augself[1]["fit/loss_step"]
