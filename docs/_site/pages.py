"""Pages that lie elsewhere in the repository, and links between them and the pages in docs.

The site shows the README, the examples, the report and the changelog from where they are. A link
between files of the repository becomes one between their pages; there is no address to link to
besides.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[2]
ELSEWHERE = (
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
    "benchmarks/transfer/*.md",
    "benchmarks/transfer/data/*.md",
    "examples/**/*.md",
)
"""Texts that become pages."""
SHOWN = (
    "CITATION.cff",
    "benchmarks/transfer/gpu.sh",
    "examples/**/*.py",
    "examples/**/*.yaml",
    "tests/hosts/tiny_*.py",
)
"""Files that become pages of their code."""
PICTURES = ("benchmarks/transfer/*.png", "examples/**/*.png")
HOME = "README.md"
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)([^)]*)\)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".cff": "yaml"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere, and those of modules."""

    def add(name: str, **what: str) -> None:
        files.append(File.generated(config, name, inclusion=InclusionLevel.NOT_IN_NAV, **what))

    for path in _found(ELSEWHERE):
        add(_page(path), content=path.read_text(encoding="utf-8"))
    for path in _found(SHOWN):
        add(_page(path), content=_code(path))
    for path in _found(PICTURES):
        add(path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
    for name, content in _modules():
        add(name, content=content)
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Lead links to the pages of the files that they name; a file without a page is only named."""
    here = posixpath.dirname(_source(page.file.src_uri))
    folder = posixpath.dirname(page.file.src_uri) or "."

    def lead(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        goal = ROOT / posixpath.normpath(posixpath.join(here, target))
        if goal.is_dir():
            goal = goal / "README.md"
            if not goal.exists():
                return text
        if not goal.exists() and (ROOT / "docs" / target).exists():
            return match[0]
        name = _page(goal)
        if goal.exists() and files.get_file_from_path(name) is None:
            return text
        return f"[{text}]({posixpath.relpath(name, folder)}{anchor})"

    return LINK.sub(lead, markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Write an index for language models: every page in the navigation, by its title."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    for section, page in _listed(config.nav, ""):
        lines.append(f"- [{section}]({page.removesuffix('.md')}.html)")
    (Path(config.site_dir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _listed(nav: Any, above: str) -> Iterator[tuple[str, str]]:
    for entry in nav:
        for name, below in entry.items() if isinstance(entry, dict) else [("", entry)]:
            title = ": ".join(filter(None, [above, name]))
            if isinstance(below, str):
                yield title, below
            else:
                yield from _listed(below, title)


def _found(patterns: tuple[str, ...]) -> Iterator[Path]:
    seen: set[Path] = set()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path not in seen and "runs" not in path.parts:
                seen.add(path)
                yield path


def _page(path: Path) -> str:
    """Name the page of a file of the repository, as seen from docs."""
    name = path.relative_to(ROOT).as_posix()
    if name == HOME:
        return "index.md"
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if path.suffix in (".md", ".png", ".jpg", ".json"):
        return name
    return f"{name}.md"


def _source(page: str) -> str:
    """Name the file of the repository that a page is of."""
    if page == "index.md":
        return HOME
    own = f"docs/{page}"
    return own if (ROOT / own).exists() else page


def _code(path: Path) -> str:
    language = LANGUAGES.get(path.suffix, "text")
    source = path.read_text(encoding="utf-8").rstrip()
    where = path.relative_to(ROOT).as_posix()
    return f"# {path.name}\n\n`{where}`\n\n````{language}\n{source}\n````\n"


MODULES = {
    "augself_loss": "The loss, encoders and errors: what `import augself_loss` offers.",
    "augself_loss.recording.kornia": "Records of Kornia's pipelines.",
    "augself_loss.recording.torchvision": "Records of torchvision's.",
    "augself_loss.recording.albumentations": "Records of albumentations'.",
    "augself_loss.recording.multiview": "Several views and their records.",
    "augself_loss.recording.collate": "Records made when a batch is.",
    "augself_loss.recording.partners": "Neighbours in a batch, augmented alike.",
    "augself_loss.records": "Records as data: parts exchanged, differences.",
    "augself_loss.geometry": "Where the pixels of views lie.",
    "augself_loss.objectives": "CASSLE, EquiMod, STL, E-SSL.",
    "augself_loss.taps": "Where features are taken.",
    "augself_loss.diagnostics": "What features know.",
    "augself_loss.plots": "Pictures of what was learned.",
    "augself_loss.adapters.lightning": "Lightning.",
    "augself_loss.adapters.lightly": "Lightly.",
    "augself_loss.adapters.stable_pretraining": "stable-pretraining.",
    "augself_loss.adapters.solo_learn": "solo-learn.",
    "augself_loss.adapters.transformers": "Transformers' Trainer.",
    "augself_loss.adapters.vissl": "VISSL.",
    "augself_loss.adapters.mmpretrain": "MMPretrain.",
    "augself_loss.adapters.byol_pytorch": "byol-pytorch.",
}
"""Public modules → what they hold."""


def _modules() -> Iterator[tuple[str, str]]:
    rows = ["# Reference", "", "| module | what it holds |", "|---|---|"]
    for name, what in MODULES.items():
        rows.append(f"| [`{name}`]({name}.md) | {what} |")
        yield (
            f"reference/{name}.md",
            f"# {name}\n\n::: {name}\n    options:\n      show_root_heading: false\n",
        )
    yield "reference/index.md", "\n".join(rows) + "\n"
