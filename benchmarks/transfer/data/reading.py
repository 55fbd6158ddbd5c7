"""Turns data sets of PIL pictures, as torchvision reads them, into rows of uint8 tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset
from torchvision.transforms import v2

from transfer.data.errors import DataError
from transfer.data.splits import per_class


class Resized(Dataset[Tensor]):
    """Rows of another data set as uint8 ``(3, size, size)``, decoded when they are asked for.

    The shorter side is resized to ``size`` (bicubic) and the centre square kept, as the paper's
    released code does for evaluation, at 96 and at 224 pixels.

    Args:
        dataset: row → (PIL picture of any mode, anything).
        size: side in pixels.
        whole: squash the whole picture into the square instead of cutting its longer side, so
            that boxes as fractions of the picture stay right.
    """

    def __init__(self, dataset: Dataset[Any], size: int, *, whole: bool = False) -> None:
        self.dataset = dataset
        bicubic = v2.InterpolationMode.BICUBIC
        self.transform = v2.Compose(
            [
                v2.Lambda(_rgb),
                v2.Resize((size, size) if whole else size, bicubic),
                v2.CenterCrop(size),
                v2.PILToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, row: int) -> Tensor:
        picture: Tensor = self.transform(self.dataset[row][0])
        return picture


class WithClass(Dataset[tuple[Tensor, int]]):
    """Pictures with the class of each, to pretrain on.

    Args:
        pictures: row → uint8 ``(3, S, S)``.
        labels: class of every row, int64 ``(N,)``.
    """

    def __init__(self, pictures: Dataset[Tensor], labels: Tensor) -> None:
        self.pictures, self.labels = pictures, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.pictures[row], int(self.labels[row])


class Source(NamedTuple):
    """A labelled set as it lies on the disk, its splits one after the other.

    Args:
        pictures: row → (PIL picture, class).
        labels: class of every row, int64 ``(N,)``.
        classes: names of the classes.
        splits: rows of ``train``, ``test`` and, where the set has one, ``val``.
        boxes: ``(N, 4)``: centre x, centre y, width, height as fractions of the whole picture.
    """

    pictures: Dataset[Any]
    labels: Tensor
    classes: tuple[str, ...]
    splits: Mapping[str, Tensor]
    boxes: Tensor | None = None


def joined(parts: Mapping[str, Dataset[Any]]) -> Source:
    """Join a set's own splits, each a data set of torchvision."""
    named = {split: classes_of(part) for split, part in parts.items()}
    classes = next(iter(named.values()))
    for split, names in named.items():
        if names != classes:
            missing = sorted(set(classes) ^ set(names))
            raise DataError(
                f"the same classes in {' and '.join(parts)}",
                f"{', '.join(missing[:5])} in one only ({split})",
                "Complete the folder, or take the class out of the others.",
            )
    splits, start = {}, 0
    for split, part in parts.items():
        count = len(part)  # type: ignore[arg-type]
        splits[split] = torch.arange(start, start + count)
        start += count
    labels = torch.cat([labels_of(part) for part in parts.values()])
    return Source(ConcatDataset(list(parts.values())), labels, classes, splits)


def drawn(dataset: Dataset[Any], train: int | float, test: int | None = None) -> Source:
    """Split a set that has no split of its own, seeded.

    Args:
        dataset: all of the pictures.
        train: how many of each class to fit on, or which fraction.
        test: how many of the others to test on; ``None`` for all of them.
    """
    labels = labels_of(dataset)
    fit, rest = per_class(labels, torch.arange(len(labels)), train, seed=0)
    score = rest if test is None else per_class(labels, rest, test, seed=0)[0]
    return Source(dataset, labels, classes_of(dataset), {"train": fit, "test": score})


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Names of a torchvision set's classes."""
    for name in ("classes", "categories"):  # the second is Caltech101's
        if hasattr(dataset, name):
            return tuple(str(label) for label in getattr(dataset, name))
    raise TypeError(f"{type(dataset).__name__} does not say its classes: expected .classes.")


def labels_of(dataset: Any) -> Tensor:
    """Class of every row, int64 ``(N,)``, without decoding a picture.

    Most of torchvision's sets keep it under an underscore. This is the one place that reads it, and
    it checks what it reads.
    """
    found: Sequence[Any] | None = None
    for name in ("targets", "labels", "y", "_labels"):
        found = getattr(dataset, name, None) if found is None else found
    if found is None and hasattr(dataset, "_samples"):  # StanfordCars
        found = [label for _, label in dataset._samples]
    if found is None:
        raise TypeError(
            f"{type(dataset).__name__} of this torchvision does not say its labels: expected one "
            "of .targets, .labels, .y, ._labels, ._samples. torchvision 0.29 is known to work."
        )
    labels = torch.tensor([int(label) for label in found])
    count = len(classes_of(dataset))
    if not len(labels):
        raise DataError(
            f"pictures of {count} classes", "none", "Is the folder complete, its lists not empty?"
        )
    if len(labels) != len(dataset) or labels.min() < 0 or labels.max() >= count:
        raise DataError(
            f"{len(dataset)} labels from 0 to {count - 1} in {type(dataset).__name__}",
            f"{len(labels)} from {int(labels.min())} to {int(labels.max())}",
            "Is one of its label files another set's?",
        )
    return labels


def _rgb(picture: Image.Image) -> Image.Image:
    """Grey, palette, CMYK and transparent pictures as RGB, as torchvision's own reader does."""
    return picture if picture.mode == "RGB" else picture.convert("RGB")
