"""The notebooks are stored with what they show, small, and the same on every machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PATHS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
KILOBYTES = 300
LINES = 45
"""Of code, beside the first cell, which imports."""


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def cells(path: Path, kind: str) -> list[Any]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_there_are_six() -> None:
    assert len(PATHS) == 6


def test_it_is_short_and_small(path: Path) -> None:
    imports, *code = ["".join(cell["source"]) for cell in cells(path, "code")]
    assert imports.startswith("import")
    assert sum(bool(line.strip()) for cell in code for line in cell.splitlines()) <= LINES
    assert len(cells(path, "code") + cells(path, "markdown")) <= 12
    assert path.stat().st_size <= KILOBYTES * 1000


def test_every_cell_was_run_in_order_and_none_failed(path: Path) -> None:
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"display_data", "stream"}
    assert all(output.get("name", "stdout") == "stdout" for output in outputs), "a warning"


def test_it_shows_pictures(path: Path) -> None:
    kinds = [set(o.get("data", {})) for cell in cells(path, "code") for o in cell["outputs"]]
    assert sum(kind == {"image/jpeg"} for kind in kinds) >= 2


def test_nothing_is_of_one_machine(path: Path) -> None:
    """No paths, no timings, no other kernel than everybody's."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    texts = [
        "".join(output.get("text", []))
        for cell in cells(path, "code")
        for output in cell["outputs"]
    ]
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert not re.search(r"/(home|root|tmp|opt|work|Users)/|[A-Z]:\\", "\n".join(texts + sources))


def test_the_gallery_shows_it(path: Path) -> None:
    first = "".join(cells(path, "markdown")[0]["source"])
    title = first.splitlines()[0].removeprefix("# ")
    gallery = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"[**{title}**](notebooks/{path.name})" in gallery
    assert f"(notebooks/{path.stem}.png)" in gallery
    assert path.with_suffix(".png").stat().st_size <= 60_000
    site = (EXAMPLES.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"- {title}: examples/notebooks/{path.name}.md\n" in site


def test_its_links_lead_to_files(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    for target in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", text):
        assert (path.parent / target).exists(), target
