"""docs/record.md lists every entry that the built-in types record, as they record it."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from vectors import VERSION, fields

from augself_loss.recording.packed import mark_of

PAGE = (Path(__file__).parents[1] / "docs" / "record.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (`\w+`(?:, `\w+`)*) \| ([-\d., ]+) \|", PAGE, re.MULTILINE)
"""Entry, columns and identity, as the page's tables begin."""


def test_every_entry_stands_there_as_it_is() -> None:
    told = {
        entry: (tuple(re.findall(r"\w+", columns)), tuple(map(float, identity.split(","))))
        for entry, columns, identity in ROWS
    }
    assert len(told) == len(ROWS)
    assert told == {entry: (field.columns, field.identity) for entry, field in fields().items()}


def test_the_version_is_that_of_the_vectors() -> None:
    assert PAGE.startswith(f"# The record, version {VERSION}\n")


def test_the_mark_is_what_it_says() -> None:
    layout = fields()
    (formula,) = re.findall(r"`(zlib\.crc32\([^`]*)`", PAGE)
    rows = [(name, field.columns, field.identity, field.ranges) for name, field in layout.items()]
    listed = formula.replace("[(name, columns, identity, ranges), …]", "rows")
    assert eval(listed, {"zlib": zlib, "rows": rows}) == mark_of(layout)
