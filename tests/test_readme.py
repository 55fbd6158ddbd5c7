"""The README is true: its Python runs, and CI runs its test command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet_runs(number: int) -> None:
    torch.manual_seed(0)
    exec(compile(SNIPPETS[number], f"README.md snippet {number + 1}", "exec"), {})


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 3


def test_ci_runs_the_test_command() -> None:
    install = "python3 -m venv .venv && .venv/bin/pip install -q '.[dev]'"
    command = f"{install} && .venv/bin/python -m pytest -n 2\n"
    assert command in README
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.endswith(f"{command}.venv/bin/nox\n"), "and everything else after it"


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_diff_is_that_of_the_example() -> None:
    (diff,) = re.findall(r"```diff\n(.*?)```", README, flags=re.DOTALL)
    script = (ROOT / "examples" / "lightly_moco.py").read_text(encoding="utf-8")
    lines = [line.strip() for line in script.splitlines()]
    for line in filter(str.strip, diff.splitlines()):
        marked = f"{line[1:].strip()}  # + AugSelf" if line.startswith("+") else line.strip()
        assert marked in lines
    added = [line for line in lines if line.endswith("# + AugSelf")]
    assert len(added) <= 10
