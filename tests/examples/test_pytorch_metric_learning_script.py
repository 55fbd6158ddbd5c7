"""The script for pytorch-metric-learning runs, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import check_printed

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("pytorch_metric_learning")


def test_script_with_and_without_augself(tmp_path: Path, run: Callable[..., str]) -> None:
    check_printed("metric_learning", tmp_path, run)
