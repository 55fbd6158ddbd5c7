"""The script for DDP runs in two processes, also without the added lines, and resumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scripts import EXAMPLES, check_marks, plain

pytestmark = [pytest.mark.slow, pytest.mark.processes]

SCRIPT = EXAMPLES / "torchrun_ddp.py"
LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
ROWS = ("base", "crop", "color")


def test_script_with_and_without_augself(tmp_path: Path, run: Callable[..., str]) -> None:
    check_marks(SCRIPT)
    printed = run(*LAUNCH, SCRIPT, "--smoke", cwd=tmp_path)
    whole = torch.load(tmp_path / "torchrun_ddp.pt", weights_only=True)
    assert printed.count("loss") == 1  # one process prints
    assert all(row in printed for row in ROWS)

    # A run of one epoch, resumed, ends at the same weights bit for bit.
    run(*LAUNCH, SCRIPT, "--smoke", "--epochs", "1", cwd=tmp_path)
    first = torch.load(tmp_path / "torchrun_ddp.pt", weights_only=True)
    run(*LAUNCH, SCRIPT, "--smoke", "--resume", cwd=tmp_path)
    resumed = torch.load(tmp_path / "torchrun_ddp.pt", weights_only=True)
    assert (first["epochs"], resumed["epochs"], whole["epochs"]) == (1, 2, 2)
    assert list(whole["model"]) == list(resumed["model"])
    for name, tensor in whole["model"].items():
        assert resumed["model"][name].equal(tensor)
    head = "augself.heads.crop.0.weight"
    assert not first["model"][head].equal(whole["model"][head])

    printed = run(*LAUNCH, plain(SCRIPT, tmp_path / "plain"), "--smoke", cwd=tmp_path)
    alone = torch.load(tmp_path / "torchrun_ddp.pt", weights_only=True)
    assert "loss" in printed
    assert not any(row in printed for row in ROWS)
    assert list(alone["model"]) == [n for n in whole["model"] if "augself" not in n]
