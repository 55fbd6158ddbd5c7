"""The script for solo-learn runs, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import check_logged

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("solo")


def test_script_with_and_without_augself(tmp_path: Path, run: Callable[..., str]) -> None:
    check_logged("solo_learn_simclr", "train_nce_loss_step", tmp_path, run)
