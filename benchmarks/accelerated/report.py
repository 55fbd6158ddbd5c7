"""Writes a run down as plain text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import cell, columns_of

from accelerated.aims import aims
from accelerated.attempts import Row, attempt

APART = ("status", "traceback")
"""Columns that stand below a table: reasons are long."""


def write(results: dict[str, Any], folder: Path) -> None:
    """Write all there is so far.

    Args:
        results: ``machine``, ``parts``, and what else was noted.
        folder: where ``accelerator.txt`` and ``accelerator.json`` go.
    """
    found, failed = attempt(lambda: aims(results["parts"]))
    results["aims"] = [failed] if found is None else found
    told = json.dumps(results, indent=1, default=str)
    (folder / "accelerator.json").write_text(told, encoding="utf-8")
    page, failed = attempt(lambda: text(results))  # what was measured is not lost with it
    told = failed["traceback"] if page is None else page
    (folder / "accelerator.txt").write_text(told, encoding="utf-8")


def text(results: dict[str, Any]) -> str:
    """Write a table per part, and the aims."""
    blocks = ["\n".join(f"{key}: {value}" for key, value in results["machine"].items())]
    for name, part in results["parts"].items():
        title = f"{name}: {part['title']} ({part['seconds']:.0f} s)"
        blocks.append("\n".join([title, "", *table(part["rows"]), *reasons(part["rows"])]))
    tiny = "; of tiny sizes they say nothing" if results["tiny"] else ""
    blocks.append("\n".join([f"aims{tiny}", "", *table(results["aims"])]))
    return "\n\n".join(blocks) + "\n"


def table(rows: Sequence[Row]) -> list[str]:
    """Lay out the rows that have more than a reason why they have nothing."""
    shown = [{k: v for k, v in row.items() if k not in APART} for row in rows]
    shown = [row for row in shown if row.keys() - {"case", "way"}]
    columns = columns_of(shown)
    lines = [columns, *([cell(row.get(column, "")) for column in columns] for row in shown)]
    widths = [max(map(len, entries)) for entries in zip(*lines, strict=True)]
    return [
        "  ".join(entry.ljust(width) for entry, width in zip(line, widths, strict=True)).rstrip()
        for line in (lines if shown else [])
    ]


def reasons(rows: Sequence[Row]) -> list[str]:
    """Say of what was not measured why."""
    return [
        f"  {', '.join(row[key] for key in ('case', 'way') if row.get(key))}: {row['status']}"
        for row in rows
        if "status" in row
    ]
