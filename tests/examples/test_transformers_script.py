"""The script for Transformers' Trainer runs, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import check_printed

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("lightly")


def test_script_with_and_without_augself(tmp_path: Path, run: Callable[..., str]) -> None:
    check_printed("transformers_trainer", tmp_path, run)
