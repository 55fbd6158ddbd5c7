"""Load the image pack in the folder `data`: small real pictures for examples that run offline.

    from _shared import pack

    pretrain = pack.load("pretrain").images  # uint8, N x 3 x 64 x 64, no labels
    task = pack.load("skintone")
    train = task.images[task.split == 0]

`data/ATTRIBUTION.md` says whose pictures these are, `benchmarks/transfer/README.md` how to make
the pack anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Task:
    """The pictures of one task, with what is known of them.

    `images` is uint8, N x 3 x S x S. In a labelled task `labels` indexes `classes` and `split` is
    0 for training and 1 for test pictures; both are int64 of length N, or None. `boxes` is float32,
    N x 4, with (cx, cy, w, h) as fractions of the picture, or None. `origins` says of every picture
    whose it is and which, as "source/name".
    """

    images: torch.Tensor
    labels: torch.Tensor | None
    split: torch.Tensor | None
    boxes: torch.Tensor | None
    classes: tuple[str, ...]
    name: str
    origins: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Names of the tasks in the pack."""
    return tuple(_index()["tasks"])


def load(name: str) -> Task:
    """Read one task into memory."""
    entries = _index()["tasks"]
    if name not in entries:
        raise ValueError(f"unknown task {name!r}; the pack has: {', '.join(entries)}")
    entry = entries[name]
    return Task(
        images=_tiles(_existing(f"{name}.webp"), entry),
        labels=_column(entry, "labels", torch.int64),
        split=_column(entry, "split", torch.int64),
        boxes=_column(entry, "boxes", torch.float32),
        classes=tuple(entry["classes"]),
        name=name,
        origins=tuple(entry["origins"]),
    )


def _index() -> dict[str, Any]:
    index: dict[str, Any] = json.loads(_existing("index.json").read_text(encoding="utf-8"))
    return index


def _existing(file: str) -> Path:
    path = DATA / file
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: restore it from the repository, or make the pack in the folder "
            f"benchmarks with `python -m transfer pack --path DIR`"
        )
    return path


def _column(entry: dict[str, Any], key: str, dtype: torch.dtype) -> torch.Tensor | None:
    return torch.tensor(entry[key], dtype=dtype) if key in entry else None


def _tiles(path: Path, entry: dict[str, Any]) -> torch.Tensor:
    """Cut a contact sheet into its tiles, row by row, without the gutters between them."""
    size, gutter, count = entry["tile"], entry["gutter"], entry["count"]
    step = size + 2 * gutter
    with Image.open(path) as image:
        sheet = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    grid = sheet.reshape(sheet.shape[0] // step, step, entry["columns"], step, 3)
    inner = grid[:, gutter : gutter + size, :, gutter : gutter + size]
    tiles = inner.transpose(0, 2, 4, 1, 3).reshape(-1, 3, size, size)
    return torch.from_numpy(np.ascontiguousarray(tiles[:count]))
