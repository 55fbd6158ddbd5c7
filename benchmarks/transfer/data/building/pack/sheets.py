"""Contact sheets: many small tiles in one WebP file, described by an entry of the index.

Thousands of tiny files would bloat the checkout and be slow to read; one picture per task is
neither.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from transfer.data.building.pictures import Box, Pixels

TRAIN, TEST = 0, 1
# Lossy WebP smooths over its blocks, so that colours of a tile would bleed into its neighbours.
# Around each tile its own edge is repeated for this many pixels, which readers cut off again.
GUTTER = 4


class Tile(NamedTuple):
    """One picture: where it comes from and, in a labelled task, what is known of it."""

    picture: Pixels
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

    def render(self) -> Image.Image:
        """Tiles row by row, their edge pixels repeated outwards."""
        rows = math.ceil(len(self.tiles) / self.columns)
        around = ((0, 0), (0, 0), (GUTTER, GUTTER), (GUTTER, GUTTER))
        tiles = np.pad(np.stack([tile.picture for tile in self.tiles]), around, mode="edge")
        blank = np.full((rows * self.columns - len(tiles), *tiles.shape[1:]), 255, np.uint8)
        grid = np.concatenate([tiles, blank]).reshape(rows, self.columns, *tiles.shape[1:])
        step = tiles.shape[-1]
        lines = grid.transpose(0, 3, 1, 4, 2)  # row, line, column, pixel, channel
        return Image.fromarray(lines.reshape(rows * step, self.columns * step, 3))

    def describe(self) -> dict[str, Any]:
        """The task's entry in the index; labels, splits and boxes only where there are any."""
        entry: dict[str, Any] = {
            "about": self.about,
            "tile": self.tiles[0].picture.shape[-1],
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


def index(sheets: list[Sheet], sources: list[dict[str, str]]) -> str:
    """Describe all sheets as JSON, one line per list so that diffs stay readable."""
    tasks = []
    for sheet in sheets:
        fields = (
            f"   {json.dumps(key)}: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}"
            for key, value in sheet.describe().items()
        )
        tasks.append(f"  {json.dumps(sheet.name)}: {{\n" + ",\n".join(fields) + "\n  }")
    listed = ",\n".join("  " + json.dumps(source, ensure_ascii=False) for source in sources)
    return f'{{\n "sources": [\n{listed}\n ],\n "tasks": {{\n' + ",\n".join(tasks) + "\n }\n}\n"
