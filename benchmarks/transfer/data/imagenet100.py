"""ImageNet-100: a hundred classes of ImageNet, named by the user's list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from transfer.data import imagefolder
from transfer.data.errors import DataError, contents
from transfer.data.folders import ClassFolders
from transfer.data.reading import WithClass
from transfer.data.sets import Task

CLASSES = 100
PLACES = ("imagenet100", "imagenet", ".")
"""Sub-folders in which ``train`` and ``val`` are looked for, in this order."""


def read(path: Path, pretrain_size: int, size: int, classes: Path | None) -> tuple[WithClass, Task]:
    """Read ``train`` to pretrain on, as ``imagefolder`` does, and hold out ``val``.

    Args:
        path: holds ``train`` and ``val`` of class folders, itself or in ``imagenet100`` or
            ``imagenet``.
        pretrain_size: see :func:`transfer.data.imagefolder.read`.
        size: side of the held-out pictures.
        classes: text file of 100 class folders' names (wnids), one at the start of each
            line; ``None`` if the folders are the hundred already.

    Raises:
        DataError: no such folders, another number of classes, or a class without a folder.
    """
    folder = _folder(path)
    names = _names(folder, classes)
    train, val = (ClassFolders(folder / split, names) for split in ("train", "val"))
    return imagefolder.pair("imagenet100", train, val, pretrain_size, size)


def _folder(path: Path) -> Path:
    for place in PLACES:
        folder = path / place
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return folder
    raise DataError(
        f"train and val of class folders in {path / PLACES[0]}, {path / PLACES[1]} or {path}",
        contents(path),
        "Unpack ImageNet there (its val sorted into class folders), or give another path.",
    )


def _names(folder: Path, classes: Path | None) -> list[str]:
    if classes is None:
        names = sorted(entry.name for entry in (folder / "train").iterdir() if entry.is_dir())
        if len(names) != CLASSES:
            raise DataError(
                f"{CLASSES} class folders in {folder / 'train'}",
                f"{len(names)}",
                "Name the hundred in a text file, one a line, and give it (--classes FILE).",
            )
        return names
    if not classes.is_file():
        raise DataError(f"a text file of {CLASSES} classes", f"no {classes}", "Correct its path.")
    lines = [line.split() for line in classes.read_text().splitlines()]
    names = sorted(words[0] for words in lines if words)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or len(names) != CLASSES:
        raise DataError(
            f"{CLASSES} different classes in {classes}, one a line",
            f"{len(names)}" + (f", {', '.join(twice[:3])} more than once" if twice else ""),
            "Correct the list.",
        )
    return names
