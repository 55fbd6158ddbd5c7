"""Contact sheets: many small tiles in one WebP file, described by an entry of the index.

Thousands of tiny files would bloat the checkout and be slow to read; one picture per task is
neither.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pictures import WHITE, Box
from PIL import Image

TRAIN, TEST = 0, 1
# Lossy WebP smooths over its blocks, so that colours of a tile would bleed into its neighbours.
# Around each tile its own edge is repeated for this many pixels, which readers cut off again.
GUTTER = 4


@dataclass(frozen=True)
class Tile:
    """One picture: where it comes from and, in a labelled task, what is known of it."""

    image: Image.Image
    origin: str
    label: int | None = None
    split: int | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Sheet:
    """All tiles of a task."""

    name: str
    about: str
    tiles: list[Tile]
    classes: tuple[str, ...] = ()
    quality: int = 80

    @property
    def columns(self) -> int:
        """Columns of a roughly square sheet, well below WebP's limit of 16383 px a side."""
        return math.ceil(math.sqrt(len(self.tiles)))

    @property
    def size(self) -> int:
        """Side of a tile in pixels."""
        return int(self.tiles[0].image.width)

    def render(self) -> Image.Image:
        """Paste the tiles row by row."""
        rows = math.ceil(len(self.tiles) / self.columns)
        step = self.size + 2 * GUTTER
        sheet = Image.new("RGB", (self.columns * step, rows * step), WHITE)
        for number, tile in enumerate(self.tiles):
            row, column = divmod(number, self.columns)
            sheet.paste(with_gutter(tile.image), (column * step, row * step))
        return sheet

    def describe(self) -> dict[str, Any]:
        """The task's entry in the index; labels, splits and boxes only where there are any."""
        entry: dict[str, Any] = {
            "about": self.about,
            "tile": self.size,
            "gutter": GUTTER,
            "columns": self.columns,
            "count": len(self.tiles),
            "classes": list(self.classes),
            "origins": [tile.origin for tile in self.tiles],
        }
        if self.classes:
            entry["labels"] = [tile.label for tile in self.tiles]
            entry["split"] = [tile.split for tile in self.tiles]
        if self.tiles[0].box is not None:
            entry["boxes"] = [tile.box for tile in self.tiles]
        return entry

    def save(self, folder: Path) -> int:
        """Write the sheet and return its size in bytes."""
        path = folder / f"{self.name}.webp"
        self.render().save(path, quality=self.quality, method=6)
        return path.stat().st_size


def with_gutter(image: Image.Image) -> Image.Image:
    """The picture with its edge pixels repeated outwards."""
    widths = ((GUTTER, GUTTER), (GUTTER, GUTTER), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), widths, mode="edge"))


def write_index(path: Path, sheets: list[Sheet], sources: list[dict[str, str]]) -> int:
    """Write the index, one line per list so that diffs stay readable; return its size."""
    tasks = []
    for sheet in sheets:
        fields = (
            f"   {json.dumps(key)}: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}"
            for key, value in sheet.describe().items()
        )
        tasks.append(f"  {json.dumps(sheet.name)}: {{\n" + ",\n".join(fields) + "\n  }")
    listed = ",\n".join("  " + json.dumps(source, ensure_ascii=False) for source in sources)
    text = f'{{\n "sources": [\n{listed}\n ],\n "tasks": {{\n' + ",\n".join(tasks) + "\n }\n}\n"
    path.write_text(text, encoding="utf-8")
    return path.stat().st_size
