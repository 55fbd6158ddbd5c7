"""A user's own pictures, in a folder for each class."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import Subset

from transfer.data import held_out, paper_sets
from transfer.data.errors import DataError, contents
from transfer.data.folders import ClassFolders, split_folders
from transfer.data.reading import Resized, WithClass, classes_of, labels_of
from transfer.data.sets import Task
from transfer.data.splits import per_class


def read(path: Path, pretrain_size: int, size: int) -> tuple[WithClass, Task]:
    """Read pictures to pretrain on, decoded as they are asked for, and held-out ones.

    Args:
        path: holds ``train`` and ``val`` (or ``test``) of class folders; or class folders, of which
            a seeded fifth of each is held out. Folders of downstream sets are no classes.
        pretrain_size: side of the pictures that views are cropped of. They are squares already,
            the shorter side resized to it and the centre kept, so that they make a batch and are
            cropped on the device; the paper crops the original, whose ends stay reachable and
            whose small crops stay sharp. A size above the views' loses less.
        size: side of the held-out pictures.

    Raises:
        DataError: fewer than two classes, or a class of ``train`` that ``val`` lacks.
    """
    splits = split_folders(path)
    if "train" in splits and len(splits) > 1:
        other = splits.get("val", splits.get("test"))
        assert other is not None
        train = ClassFolders(splits["train"])
        _at_least_two(path, train)
        return pair("imagefolder", train, ClassFolders(other, train.classes), pretrain_size, size)
    pictures = ClassFolders(path, without=paper_sets.FOLDERS)
    _at_least_two(path, pictures)
    labels = labels_of(pictures)
    kept, fit = per_class(labels, torch.arange(len(labels)), 0.2, seed=0)
    rows = Subset(Resized(pictures, pretrain_size), fit.tolist())
    return WithClass(rows, labels[fit]), held_out.task("imagefolder", pictures, size, kept)


def pair(
    name: str, train: ClassFolders, other: ClassFolders, pretrain_size: int, size: int
) -> tuple[WithClass, Task]:
    """Pretrain on one folder of class folders, hold out the other."""
    pretrain = WithClass(Resized(train, pretrain_size), labels_of(train))
    return pretrain, held_out.task(name, other, size)


def _at_least_two(path: Path, pictures: ClassFolders) -> None:
    if len(classes_of(pictures)) < 2:
        raise DataError(
            f"at least two class folders in {path}, or in its train and val",
            contents(path),
            "Sort the pictures into a folder for each class.",
        )
