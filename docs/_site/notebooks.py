"""Notebooks as pages: their text, code, and the outputs that are stored in them."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[2]
PICTURES = {"image/jpeg": "jpg", "image/png": "png"}


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook, and its pictures."""
    for path in sorted(ROOT.glob("examples/notebooks/*.ipynb")):
        page = f"{path.relative_to(ROOT).as_posix()}.md"
        text, pictures = as_markdown(path)
        added: dict[str, str | bytes] = {page: text}
        added.update((f"{Path(page).parent.as_posix()}/{name}", data) for name, data in pictures)
        for name, content in added.items():
            inclusion = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, name, content=content, inclusion=inclusion))
    return files


def as_markdown(path: Path) -> tuple[str, list[tuple[str, bytes]]]:
    """Write a notebook as Markdown; return it, and its pictures by file name."""
    parts: list[str] = []
    pictures: list[tuple[str, bytes]] = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        folded = not any(part.startswith("??? ") for part in parts)
        parts.append(_folded("Imports", source) if folded else _fenced("python", source))
        for kind, content in _shown(cell["outputs"]):
            if kind in PICTURES:
                name = f"{path.stem}_{len(pictures) + 1}.{PICTURES[kind]}"
                pictures.append((name, base64.b64decode(content)))
                parts.append(f"![What the code above draws]({name})")
            else:
                parts.append(_fenced("text", content.rstrip()))
    where = path.relative_to(ROOT).as_posix()
    parts.append(f"---\n\nThis page is the notebook `{where}`, with its outputs as stored.")
    return "\n\n".join(parts) + "\n", pictures


def _shown(outputs: list[Any]) -> Iterator[tuple[str, str]]:
    """List what a cell's outputs show: (kind, text or base64)."""
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        kind = next((kind for kind in PICTURES if kind in data), "text/plain")
        yield kind, "".join(data[kind])


def _folded(title: str, source: str) -> str:
    """Show code when it is asked for: what comes first on a page shall not be its imports."""
    return f'??? quote "{title}"\n' + textwrap.indent(_fenced("python", source), "    ")


def _fenced(language: str, text: str) -> str:
    return f"````{language}\n{text}\n````"
