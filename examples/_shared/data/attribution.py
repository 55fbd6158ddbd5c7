"""Write ATTRIBUTION.md, so that the credits always match the pictures in the pack."""

from __future__ import annotations

from pathlib import Path

from material import Material
from sheets import Sheet
from sources import ENDLESS_SKY, SOURCES, Source

_HEAD = """\
# Where the pictures come from

The contact sheets in this folder (`*.webp`, described by `index.json`) were made by `build.py` from
the packages below. The pictures keep the licences of their sources; the licence of this repository
covers the scripts, not the pictures. `index.json` names the origin of every tile (`origins`).

Every picture was changed: cropped or trimmed, scaled to tiles of 64 x 64 pixels (256 x 256 in
`gallery`), where it was transparent laid on a plain background, and stored as lossy WebP. In
`locate`, emoji were pasted on photographs.
"""

_TWEMOJI = """\
## Credit for Twemoji

Emoji graphics of the tasks `skintone`, `flags` and `category`: Twemoji, (c) Twitter, Inc., X Corp.
and other contributors, from the maintained fork <https://github.com/jdecked/twemoji>, licensed
under CC-BY 4.0 (<https://creativecommons.org/licenses/by/4.0/>). Changes: trimmed, scaled, laid on
white and compressed as said above. No endorsement by the authors is implied.
"""

_NOTO = """\
## Notice for Noto Emoji

Noto Emoji, Copyright Google LLC and the Noto Emoji authors, licensed under the Apache License,
Version 2.0, a copy of which is in `LICENSE-Apache-2.0.txt`. Changes: as said above.
"""

_FLUENT = """\
## Notice for Fluent Emoji

MIT License

Copyright (c) Microsoft Corporation.
Copyright (c) 2023 LobeHub (packaging)

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

_ORIGIN = {
    "krank": "krank",
    "endless-sky": "endless-sky-data",
    "openclipart": "openclipart-png",
    "iso": "iso-flags-png-320x240",
    "noto": "emoji-datasource-google",
    "fluent": "@lobehub/fluent-emoji-3d",
    "twemoji": "emoji-datasource-twitter",
}


def _counts(sheets: list[Sheet]) -> dict[str, dict[str, int]]:
    """How many tiles of each task use each package."""
    counts: dict[str, dict[str, int]] = {}
    for sheet in sheets:
        for tile in sheet.tiles:
            for part in tile.origin.split("+"):
                tasks = counts.setdefault(_ORIGIN[part.split("/")[0]], {})
                tasks[sheet.name] = tasks.get(sheet.name, 0) + 1
    return counts


def _about(source: Source, version: str, tasks: dict[str, int]) -> str:
    used = ", ".join(f"`{name}` ({count} tiles)" for name, count in tasks.items())
    return (
        f"## {source.package} {version} ({'Debian' if source.kind == 'deb' else 'npm'})\n\n"
        f"- Authors: {source.authors}\n"
        f"- Licence: {source.licence}\n"
        f"- Project: <{source.homepage}>\n"
        f"- Taken: {source.taken}\n"
        f"- Used in: {used}\n"
    )


def _photographers(material: Material, sheets: list[Sheet]) -> str:
    """Credits of the endless-sky photographs in use, as its copyright file gives them."""
    used = {part for sheet in sheets for tile in sheet.tiles for part in tile.origin.split("+")}
    files: dict[str, list[str]] = {}
    for photo in material.photos:
        if photo.name in used and photo.name.startswith("endless-sky/"):
            files.setdefault(photo.credit, []).append(photo.name.split("/")[1])
    lines = [f"- {credit}: {', '.join(names)}" for credit, names in sorted(files.items())]
    return (
        f"## Photographers of {ENDLESS_SKY.package}\n\n"
        "Names of the files under `images/land`, by the public-domain source that the package's\n"
        "copyright file gives for them:\n\n" + "\n".join(lines) + "\n"
    )


def write_attribution(path: Path, material: Material, sheets: list[Sheet]) -> int:
    """Write the file and return its size in bytes."""
    counts = _counts(sheets)
    parts = [_HEAD]
    for source in SOURCES:
        parts.append(_about(source, material.versions[source.package], counts[source.package]))
    parts += [_photographers(material, sheets), _TWEMOJI, _NOTO, _FLUENT]
    path.write_text("\n".join(parts), encoding="utf-8")
    return path.stat().st_size
