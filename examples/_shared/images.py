"""Where the examples' pictures come from: the pack in this repository, or the user's own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import datasets
from torchvision.transforms.v2 import functional

from _shared import pack, positions

SOURCES = ("pack", "cifar10", "stl10", "imagefolder")
TIMES = 3
"""How often a test picture is shown in a task of :func:`placed`."""


@dataclass(frozen=True)
class Labelled:
    """Pictures to test features on, with labels (N,).

    ``images`` is uint8 N x views x 3 x S x S, or without ``views`` where a row is one picture; the
    features of a row's pictures stand side by side. ``split`` is 0 to train and 1 to test. Rows of
    one of the ``groups`` show one thing: they stand or fall together.
    """

    name: str
    images: Tensor
    labels: Tensor
    split: Tensor
    groups: Tensor | None = None

    def first(self, count: int) -> Labelled:
        """Every k-th row, ``count`` of them, for a quick test."""
        rows = torch.linspace(0, len(self.labels) - 1, min(count, len(self.labels))).long()
        groups = None if self.groups is None else self.groups[rows]
        return Labelled(self.name, self.images[rows], self.labels[rows], self.split[rows], groups)


class Pictures(datasets.VisionDataset):  # type: ignore[misc]
    """Pictures in memory that come out as PIL images, like torchvision's CIFAR10.

    Args:
        images: uint8 (N, 3, S, S).
        labels: (N,), or ``None`` for 0.
        transform: called with the PIL image.
    """

    def __init__(self, images: Tensor, labels: Tensor | None = None, transform: Any = None) -> None:
        super().__init__(root="", transform=transform)
        self.images = images
        self.targets = [0] * len(images) if labels is None else labels.tolist()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = functional.to_pil_image(self.images[index])
        return (image if self.transform is None else self.transform(image)), self.targets[index]


def load(
    source: str, path: Path | None, size: int, limit: int | None = None
) -> tuple[Tensor, list[Labelled]]:
    """Load pictures to train on and labelled tasks to test on.

    Args:
        source: one of SOURCES.
        path: where cifar10 and stl10 are (or are downloaded to); the folder of class folders.
        size: side of the pictures in pixels.
        limit: read no more than this many of each kind.

    Returns:
        Pictures, uint8 (N, 3, size, size), and labelled tasks of the same size.
    """
    if source == "pack":
        tasks = [_task(name, size) for name in ("skintone", "flags", "locate", "category")]
        return resized(pack.load("pretrain").images[:limit], size), tasks
    if path is None:
        raise SystemExit(f"--data {source} needs the folder: --data {source} --path FOLDER")
    if source == "cifar10":
        train = _read(datasets.CIFAR10(path, train=True, download=True), size, limit)
        test = _read(datasets.CIFAR10(path, train=False, download=True), size, limit)
        return train[0], [_joined(source, train, test)]
    if source == "stl10":
        unlabelled = _read(datasets.STL10(path, split="unlabeled", download=True), size, limit)
        train = _read(datasets.STL10(path, split="train", download=True), size, limit)
        test = _read(datasets.STL10(path, split="test", download=True), size, limit)
        return unlabelled[0], [_joined(source, train, test)]
    pictures, labels = _read(datasets.ImageFolder(path), size, limit)
    split = (torch.arange(len(labels)) % 5 == 4).long()
    return pictures[split == 0], [Labelled(path.name, pictures, labels, split)]


def placed(train: Tensor, test: Tensor) -> list[Labelled]:
    """Make tasks that live on position alone out of pictures without labels.

    Args:
        train: uint8 (N, 3, S, S), to fit on.
        test: uint8 (M, 3, S, S), to test on; each is shown several times.

    Returns:
        In which of nine cells a patch is pasted (``patch``), and which of two views lies further up
        (``above``).
    """
    parts = [train, test.repeat(TIMES, 1, 1, 1)]
    split = torch.cat([torch.full((len(part),), number) for number, part in enumerate(parts)])
    shown = torch.arange(len(test)).repeat(TIMES)
    groups = torch.cat([torch.arange(len(train)), shown + len(train)])
    arrays = [part.numpy() for part in parts]
    patches = [
        positions.patched(each, each[np.random.RandomState(seed).permutation(len(each))], seed)
        for seed, each in enumerate(arrays)
    ]
    views = [positions.ordered_views(each, seed) for seed, each in enumerate(arrays)]
    pasted, cells = _cat(each.images for each in patches), _cat(each.cells for each in patches)
    pairs, above = _cat(each.images for each in views), _cat(each.above for each in views)
    return [
        Labelled("patch", pasted, cells, split, groups),
        Labelled("above", pairs.view(-1, 2, *pairs.shape[1:]), above, split, groups),
    ]


def resized(pictures: Tensor, size: int) -> Tensor:
    """Resize uint8 pictures (N, 3, S, S)."""
    if pictures.shape[-1] == size:
        return pictures
    return torch.cat(
        [
            functional.resize(part, [size, size], antialias=True)
            for part in torch.split(pictures, 512)
        ]
    )


def _task(name: str, size: int) -> Labelled:
    task = pack.load(name)
    if task.labels is None or task.split is None:
        raise ValueError(f"The pack's '{name}' has no labels.")
    # A person in five tones is one thing, and so is a landscape with whatever is pasted on it.
    things = [re.sub("-1f3f[b-f]", "", origin.split("+")[0]) for origin in task.origins]
    groups = torch.from_numpy(np.unique(things, return_inverse=True)[1])
    return Labelled(name, resized(task.images, size), task.labels, task.split, groups)


def _cat(parts: Iterable[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.concatenate(list(parts)))


def _joined(name: str, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Labelled:
    split = torch.cat([torch.zeros(len(train[1])), torch.ones(len(test[1]))]).long()
    pictures, labels = (torch.cat(pair) for pair in zip(train, test, strict=True))
    return Labelled(name, pictures, labels, split)


def _read(dataset: Any, size: int, limit: int | None) -> tuple[Tensor, Tensor]:
    """Read a torchvision data set into memory: centred squares, uint8."""
    pictures, labels = [], []
    for picture, label in itertools.islice(dataset, limit):
        image = functional.pil_to_tensor(picture.convert("RGB"))
        square = functional.center_crop(image, [min(image.shape[-2:])] * 2)
        pictures.append(functional.resize(square, [size, size], antialias=True))
        labels.append(label)
    return torch.stack(pictures), torch.tensor(labels)
