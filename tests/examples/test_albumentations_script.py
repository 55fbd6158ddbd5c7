"""The script on albumentations runs, and so does the page that explains the recorder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "albumentations.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.slow
def test_script_trains(tmp_path: Path, run: Callable[..., str]) -> None:
    printed = run(ROOT / "examples" / "albumentations_workers.py", "--smoke", cwd=tmp_path)
    assert len(printed.splitlines()) == 2
    assert "crop" in printed


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet_of_the_page_runs(number: int) -> None:
    exec(compile(SNIPPETS[number], f"docs/albumentations.md snippet {number + 1}", "exec"), {})


def test_the_page_s_table_names_what_there_is() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row.split("|")[1])}
    assert len(named) > 30
    assert [name for name in named if not hasattr(A, name)] == []
