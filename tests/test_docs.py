"""The pages of the documentation are true: their Python runs, and their links lead to files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
}
ELSEWHERE = {
    "own_framework.md": "its adapter is a file of the tests",
    "public_scripts.md": "test_public_scripts_page.py has the classes that it names",
    "frameworks.md": "its lines stand in the scripts of the hosts, which run in their tests",
}
RUN = [name for name, page in PAGES.items() if "```python" in page and name not in ELSEWHERE]
"""Pages whose snippets are run one after another."""


@pytest.mark.parametrize("name", RUN)
def test_snippets_run(name: str) -> None:
    if name == "albumentations.md":
        pytest.importorskip("albumentations")
    torch.manual_seed(0)
    scope: dict[str, object] = {}
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL)):
        exec(compile(snippet, f"docs/{name} snippet {number + 1}", "exec"), scope)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", PAGES[name]):
        assert (DOCS / name).parent.joinpath(target).exists(), target
