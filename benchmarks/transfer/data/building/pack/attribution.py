"""Fills in ATTRIBUTION.md, so that the credits always match the pictures in the pack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from transfer.data.building import packages
from transfer.data.building.pack.photos import Photo
from transfer.data.building.pack.sheets import Sheet

TEMPLATE = Path(__file__).with_name("attribution.md")
# The packages by the names that origins begin with, and their licences, which allow to pass on.
SOURCES = {
    "krank": (packages.KRANK, "Public domain"),
    "endless-sky": (packages.ENDLESS_SKY, "Public domain"),
    "openclipart": (
        packages.OPENCLIPART,
        "Public domain (Creative Commons Public Domain Dedication)",
    ),
    "iso": (packages.FLAGS, "Public domain"),
    "noto": (packages.NOTO, "Apache-2.0"),
    "fluent": (packages.FLUENT, "MIT"),
    "twemoji": (packages.TWEMOJI, "CC-BY-4.0"),
}


def listed(folder: Path) -> list[dict[str, str]]:
    """Package, version and licence of every source, whose archives are in ``folder``."""
    return [
        {"package": package.name, "version": package.version_in(folder), "licence": licence}
        for package, licence in SOURCES.values()
    ]


def attribution(folder: Path, photos: Iterable[Photo], sheets: Iterable[Sheet]) -> str:
    """Whose pictures the sheets show, in Markdown."""
    uses = Counter(
        (sheet.name, part)
        for sheet in sheets
        for tile in sheet.tiles
        for part in tile.origin.split("+")
    )
    used: dict[str, Counter[str]] = {source: Counter() for source in SOURCES}
    for (task, part), count in uses.items():
        used[part.split("/")[0]][task] += count
    facts = {
        source: SimpleNamespace(
            **about, used=", ".join(f"`{task}` ({count} tiles)" for task, count in tasks.items())
        )
        for about, (source, tasks) in zip(listed(folder), used.items(), strict=True)
    }
    shown = [photo for photo in photos if photo.name in {part for _, part in uses}]
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.format_map({**facts, "photographers": _photographers(shown)})


def _photographers(photos: list[Photo]) -> str:
    """Names of the endless-sky photographs in use, by the credit of its copyright file."""
    files: dict[str, list[str]] = {}
    for photo in photos:
        source, name = photo.name.split("/")
        if source == "endless-sky":
            files.setdefault(photo.credit, []).append(name)
    return "\n".join(f"- {credit}: {', '.join(names)}" for credit, names in sorted(files.items()))
