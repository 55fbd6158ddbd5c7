"""Trained runs are found by name; a wrong name is told beside the right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.runs import Run, RunError, trained


def a_run(root: Path, seed: int) -> Run:
    """A run that was begun."""
    return Run(root, recipes.configure("pack", "simclr", seed, augself=False, smoke=True))


def test_trained_runs_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    for seed in (0, 1):
        a_run(tmp_path, seed).backbone.touch()
    found = trained(tmp_path, "pack", ["simclr-s1", "simclr-s0"])
    assert [run.config.seed for run in found] == [1, 0]


def test_one_that_is_not_trained_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path, 0).backbone.touch()
    a_run(tmp_path, 1)
    for name in ("simclr-s1", "simclr-s2"):
        with pytest.raises(RunError, match=rf"{name}, found no weights.*: simclr-s0\.$"):
            trained(tmp_path, "pack", [name])
    with pytest.raises(RunError, match=r": none\.$"):
        trained(tmp_path, "offline", ["simclr-s0"])
