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
HOSTS = ("stable_pretraining", "solo_learn", "vissl", "mmpretrain", "byol_pytorch", "transformers")
ELSEWHERE = {
    **{f"frameworks/{name}.md": "the scripts of the hosts have its lines" for name in HOSTS},
    "frameworks/pytorch_metric_learning.md": "examples/metric_learning.py has its lines",
    "own_framework.md": "its adapter is a file of the tests",
    "public_scripts.md": "test_public_scripts_page.py has the classes that it names",
}
RUN = [name for name, page in PAGES.items() if "```python" in page and name not in ELSEWHERE]
"""Pages whose snippets are run one after another."""


@pytest.mark.parametrize("name", RUN)
def test_snippets_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "albumentations.md":
        pytest.importorskip("albumentations")
    if name == "frameworks/lightning.md":
        pytest.importorskip("lightning")
    if name == "record.md":
        monkeypatch.chdir(DOCS.parent)  # it reads files of the checkout
    torch.manual_seed(0)
    scope: dict[str, object] = {}
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL)):
        exec(compile(snippet, f"docs/{name} snippet {number + 1}", "exec"), scope)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", PAGES[name]):
        assert (DOCS / name).parent.joinpath(target).exists(), target


def test_the_site_shows_every_page() -> None:
    """What the navigation names is there, and nothing is left out; nox builds the site itself."""
    config = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    nav = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", config.split("\nnav:\n")[1], re.MULTILINE)
    shown = {page for page in nav if (DOCS / page).exists()}
    assert shown == {name for name in PAGES if not name.startswith("_")}
    elsewhere = {page for page in nav if page not in shown and not page.startswith("reference/")}
    notebooks = {page: page.removesuffix(".md") for page in elsewhere if ".ipynb" in page}
    files = {page: DOCS.parent / notebooks.get(page, page) for page in elsewhere}
    there = {page for page, file in files.items() if file.exists()}
    assert elsewhere - there == {"index.md"}, "which is the README"
