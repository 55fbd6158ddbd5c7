"""All of the paper's downstream sets that a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from transfer.data import cub, folders, torchvision_sets
from transfer.data.sets import Task

SETS = torchvision_sets.SETS + folders.SETS + cub.SETS
LINEAR = (*(entry.name for entry in torchvision_sets.SETS), "mit67")
"""The eleven sets over which the paper averages linear evaluation."""
FOLDERS = frozenset(Path(entry.folder).parts[0] for entry in SETS)
"""Names that the sets' folders have."""


class Downstream(NamedTuple):
    """What was found, and what was not: name → task, name → why it is skipped."""

    tasks: Mapping[str, Task]
    skipped: Mapping[str, str]


def load(path: Path, size: int, *, download: bool = False) -> Downstream:
    """Read the sets that are there.

    Args:
        path: folder of all sets, each in the sub-folder that torchvision gives it.
        size: side of the pictures in pixels.
        download: fetch the sets that are not there and that torchvision can fetch.

    Raises:
        DataError: a set's folder is there, but is not what it should be.
    """
    skipped = {entry.name: entry.absent(path, download=download) for entry in SETS}
    tasks = {
        entry.name: entry.task(path, size, download=download)
        for entry in SETS
        if skipped[entry.name] is None
    }
    return Downstream(tasks, {name: why for name, why in skipped.items() if why})
