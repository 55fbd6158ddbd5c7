"""The script for stable-pretraining runs, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import check_logged

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("stable_pretraining")


def test_script_with_and_without_augself(
    tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LOGURU_LEVEL", "ERROR")
    check_logged("stable_pretraining_simclr", "fit/loss_step", tmp_path, run)
