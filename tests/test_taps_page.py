"""docs/taps.md is true: its snippet prints what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torchvision")

PAGE = (Path(__file__).parents[1] / "docs" / "taps.md").read_text(encoding="utf-8")


def test_the_snippet_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(snippet, "docs/taps.md", "exec"), {})
    shown = re.findall(r"^    (.*)$", PAGE, flags=re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == shown
