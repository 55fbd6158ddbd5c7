"""The report as a page of Markdown, and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from transfer.reporting.tables import Table, as_json, markdown


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        title: its heading.
        tables: what it shows, in order.
        picture: name of the PNG beside the page; empty if there is none.
        caption: what the picture shows.
        lines: a list of sentences.
    """

    title: str
    tables: tuple[Table, ...] = ()
    picture: str = ""
    caption: str = ""
    lines: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.tables or self.picture or self.lines)


@dataclass(frozen=True)
class Page:
    """The whole report.

    Args:
        data: name of the data setting.
        headline: the result in sentences.
        picture: name of the main picture; empty if there is none.
        notes: Markdown that somebody wrote, inserted as it is.
        sections: the rest.
        epochs: how long the runs trained; ``None`` where they differ.
    """

    data: str
    headline: tuple[str, ...]
    picture: str = ""
    notes: str = ""
    sections: tuple[Section, ...] = field(default=())
    epochs: int | None = None


def write_markdown(page: Page) -> str:
    """Write the page."""
    length = "" if page.epochs is None else f", {page.epochs} epochs"
    lines = [f"# AugSelf against plain training, data `{page.data}`{length}", ""]
    lines += [
        "Written by `python -m transfer report` from the runs' metrics. It puts every number, seed "
        "by seed, into `report.json`.",
        "",
    ]
    lines += [f"- {sentence}" for sentence in page.headline] + [""]
    if page.picture:
        lines += [f"![Gain by method and by task]({page.picture})", ""]
    if page.notes:
        lines += [page.notes.rstrip("\n"), ""]
    for section in page.sections:
        if not section.empty:
            lines += _section(section)
    return "\n".join(lines).rstrip("\n") + "\n"


def write_json(page: Page) -> str:
    """Write headline and all tables, with the values of every seed."""
    content: dict[str, Any] = {
        "data": page.data,
        "headline": list(page.headline),
        "sections": [
            {"title": s.title, "lines": list(s.lines), "tables": [as_json(t) for t in s.tables]}
            for s in page.sections
            if not s.empty
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {section.title}", ""]
    lines += [f"- {line}" for line in section.lines] + [""] * bool(section.lines)
    lines += [markdown(table) for table in section.tables]
    if section.picture:
        lines += [f"![{section.title}]({section.picture})", ""]
    if section.caption:
        lines += [section.caption, ""]
    return lines
