"""The settings for someone with hardware: real data sets, read from a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from transfer.data import imagefolder, imagenet100, paper_sets, stl10
from transfer.data.errors import DataError, contents
from transfer.data.sets import Setting, Task

NAMES = ("stl10", "stl10-train", "imagenet100", "imagefolder")
"""``stl10`` has no classes to pretrain on; the supervised method takes ``stl10-train``."""


def load(
    name: str,
    path: Path,
    size: int,
    *,
    download: bool = False,
    classes: Path | None = None,
    pretrain_size: int | None = None,
    say: Callable[[str], object] = print,
) -> Setting:
    """Read a setting, and see that its pictures are what they should be.

    Args:
        name: one of NAMES.
        path: folder of all sets, each in the sub-folder that torchvision gives it; of
            ``imagefolder`` the pictures themselves, see :func:`transfer.data.imagefolder.read`.
        size: side in pixels of the pictures that features are tested on.
        download: fetch what is not there and torchvision can fetch: STL-10, downstream sets.
        classes: of ``imagenet100``, see :func:`transfer.data.imagenet100.read`.
        pretrain_size: side in pixels of the pictures that views are cropped of; ``size`` if not
            given.
        say: told which downstream sets are skipped, and why.

    Returns:
        The setting; of downstream sets those that are there.

    Raises:
        DataError: a folder is not what it should be: what was expected, found, and what to do.
    """
    path = path.expanduser()
    _check(name, path, size, download=download, classes=classes)
    pretrain, held_out = _pictures(name, path, pretrain_size or size, size, download, classes)
    found = paper_sets.load(path, size, download=download)
    if found.skipped:
        say(f"Skipped {len(found.skipped)} downstream sets that are not on the disk:")
        for missing, why in found.skipped.items():
            say(f"  {missing}: {why}")
    count = 0 if name == "stl10" else len(held_out.classes)
    return Setting(name, pretrain, count, held_out, found.tasks)


def _pictures(
    name: str,
    path: Path,
    pretrain_size: int,
    size: int,
    download: bool,
    classes: Path | None,
) -> tuple[Dataset[tuple[Tensor, int]], Task]:
    if name == "stl10":
        return stl10.unlabelled(path, pretrain_size, size, download=download)
    if name == "stl10-train":
        return stl10.labelled(path, pretrain_size, size, download=download)
    if name == "imagenet100":
        return imagenet100.read(path, pretrain_size, size, classes)
    return imagefolder.read(path, pretrain_size, size)


def _check(name: str, path: Path, size: int, *, download: bool, classes: Path | None) -> None:
    if name not in NAMES:
        raise DataError(f"one of {', '.join(NAMES)}", repr(name), "Correct --data.")
    if size < 1:
        raise DataError("pictures of at least one pixel", f"size {size}", "Correct the size.")
    if classes is not None and name != "imagenet100":
        raise DataError(f"no list of classes for {name}", str(classes), "Leave --classes out.")
    if not path.is_dir() and not (download and not path.exists() and name.startswith("stl10")):
        raise DataError("the folder of the data sets", contents(path), "Correct --path.")
