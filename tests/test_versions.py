"""``python -m augself_loss`` says what a report of a bug needs to say."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import augself_loss
from augself_loss.versions import HOSTS, LIBRARIES, versions


def test_what_is_not_installed_is_left_out() -> None:
    found = versions(["torch", "no-such-package"])
    assert found["torch"] == metadata.version("torch")
    assert set(found) == {"python", "platform", "torch"}


def test_every_host_and_extra_is_asked_for() -> None:
    """By the names that pip knows; test_habits compares them with the sessions of nox."""
    known = {*LIBRARIES, *HOSTS}
    assert {"lightning", "lightly", "byol-pytorch", "stable-pretraining", "mmpretrain"} <= known
    assert {"vissl", "solo-learn", "pytorch-metric-learning", "timm", "transformers"} <= known


@pytest.mark.slow
def test_the_command_prints_a_line_each() -> None:
    command = [sys.executable, "-m", "augself_loss"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == f"augself-loss {augself_loss.__version__}"
    assert f"torch {metadata.version('torch')}" in lines
    assert lines[-1].startswith("device ")
