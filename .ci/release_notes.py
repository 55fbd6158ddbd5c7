"""Print the changelog's section of a tag: ``python .ci/release_notes.py v0.2.0``.

Refuses a tag that is not the version of the package, or whose section is missing, undated or empty.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version() -> str:
    """Read the package's version without importing it, and so without PyTorch."""
    source = (ROOT / "augself_loss" / "__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    return str(found)


def section(changelog: str, number: str) -> str:
    """Return what stands under a dated version's heading, up to the next version's.

    Raises:
        ValueError: no such heading, or nothing under it.
    """
    heading = rf"^## \[{re.escape(number)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ValueError(
            f"CHANGELOG.md expected a section '## [{number}] - YYYY-MM-DD' with text, found none. "
            "Date what stands under Unreleased."
        )
    return found[1].strip()


def notes(tag: str) -> str:
    """Return a tag's section.

    Raises:
        ValueError: the tag is not the package's version, or see :func:`section`.
    """
    if tag != f"v{version()}":
        raise ValueError(f"Expected the tag v{version()}, the package's version, found {tag!r}.")
    return section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(notes(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
