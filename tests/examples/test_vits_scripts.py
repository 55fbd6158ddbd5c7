"""The scripts with ViTs run, also without the lines that add AugSelf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import EXAMPLES, check_logged

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("lightning")
pytest.importorskip("lightly")


@pytest.mark.parametrize(
    ("name", "needs"), [("timm_moco_v3", "timm"), ("transformers_dino", "transformers")]
)
def test_script_with_and_without_augself(
    name: str, needs: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    pytest.importorskip(needs)
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 80
    check_logged(name, "loss", tmp_path, run)
