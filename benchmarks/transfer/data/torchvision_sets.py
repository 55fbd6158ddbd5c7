"""The paper's downstream sets that torchvision reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Subset
from torchvision import datasets

from transfer.data.entries import Entry
from transfer.data.listings import listed
from transfer.data.reading import Source, classes_of, drawn, joined, labels_of


def _official(
    kind: Callable[..., Any], splits: Mapping[str, Mapping[str, Any]]
) -> Callable[[Path, bool], Source]:
    """Read a set whose splits torchvision knows: split → the class's arguments for it."""
    return partial(_read_official, kind, splits)


def _read_official(
    kind: Callable[..., Any],
    splits: Mapping[str, Mapping[str, Any]],
    path: Path,
    download: bool,
) -> Source:
    # StanfordCars refuses the argument where nothing is to be fetched from.
    fetch = {"download": True} if download else {}
    return joined({split: kind(path, **given, **fetch) for split, given in splits.items()})


def _caltech101(path: Path, download: bool) -> Source:
    """30 pictures of each of the 101 classes to train on (and choose on), the others to test."""
    return drawn(datasets.Caltech101(path, download=download), train=30)


def _sun397(path: Path, download: bool) -> Source:
    """The paper's split 1 where its two lists lie beside the pictures, else 50 / 50 a class.

    torchvision neither fetches nor reads the lists (``Partitions.zip`` of the set's home page),
    and lists the pictures in the disk's order: they are sorted here, for a seed to mean something.
    """
    dataset = datasets.SUN397(path, download=download)
    folder = path / "SUN397"
    names = [Path(file).relative_to(folder).as_posix() for file in dataset._image_files]
    order = sorted(range(len(names)), key=names.__getitem__)
    pictures = _Ordered(dataset, order)
    lists = {"train": folder / "Training_01.txt", "test": folder / "Testing_01.txt"}
    if not all(file.is_file() for file in lists.values()):
        return drawn(pictures, train=50, test=50)
    rows = listed([names[row] for row in order], lists)
    return Source(pictures, pictures.labels, pictures.classes, rows)


class _Ordered(Subset[Any]):
    """A data set in another order, with its labels and classes."""

    def __init__(self, dataset: Any, order: list[int]) -> None:
        super().__init__(dataset, order)
        self.labels = labels_of(dataset)[torch.tensor(order)]
        self.classes = classes_of(dataset)


_TWO = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
_CIFAR = {"train": {"train": True}, "test": {"train": False}}
_PETS = {"train": {"split": "trainval"}, "test": {"split": "test"}}

SETS = (
    Entry(
        name="cifar10",
        folder="cifar-10-batches-py",
        read=_official(datasets.CIFAR10, _CIFAR),
        layout="data_batch_1 … data_batch_5, test_batch, batches.meta",
        val=0.1,
        downloads=True,
    ),
    Entry(
        name="cifar100",
        folder="cifar-100-python",
        read=_official(datasets.CIFAR100, _CIFAR),
        layout="train, test, meta",
        val=0.1,
        downloads=True,
    ),
    Entry(
        name="food101",
        folder="food-101",
        read=_official(datasets.Food101, _TWO),
        layout="images/<class>/*.jpg and meta/train.json, meta/test.json",
        val=0.1,
        lives_on="color",
        downloads=True,
    ),
    Entry(
        name="pets",
        folder="oxford-iiit-pet",
        read=_official(datasets.OxfordIIITPet, _PETS),
        layout="images/*.jpg and annotations/trainval.txt, annotations/test.txt",
        metric="mean_per_class",
        downloads=True,
    ),
    Entry(
        name="flowers102",
        folder="flowers-102",
        read=_official(datasets.Flowers102, _THREE),
        layout="jpg/image_*.jpg, imagelabels.mat, setid.mat",
        metric="mean_per_class",
        lives_on="color",
        downloads=True,
    ),
    Entry(
        name="caltech101",
        folder="caltech101/101_ObjectCategories",
        read=_caltech101,
        layout="<class>/image_*.jpg, BACKGROUND_Google among them",
        val=1 / 6,
        metric="mean_per_class",
        downloads=True,
    ),
    Entry(
        name="cars",
        folder="stanford_cars",
        read=_official(datasets.StanfordCars, _TWO),
        layout="cars_train, cars_test, devkit, cars_test_annos_withlabels.mat",
        lives_on="shape",
    ),
    Entry(
        name="aircraft",
        folder="fgvc-aircraft-2013b",
        read=_official(datasets.FGVCAircraft, _THREE),
        layout="data/images/*.jpg, data/variants.txt, data/images_variant_*.txt",
        metric="mean_per_class",
        lives_on="shape",
        downloads=True,
    ),
    Entry(
        name="dtd",
        folder="dtd/dtd",
        read=_official(datasets.DTD, _THREE),
        layout="images/<class>/*.jpg, labels/train1.txt, labels/val1.txt, labels/test1.txt",
        lives_on="texture",
        downloads=True,
    ),
    Entry(
        name="sun397",
        folder="SUN397",
        read=_sun397,
        layout="<letter>/<class>/sun_*.jpg, ClassName.txt",
        lives_on="scene",
        downloads=True,
    ),
)
"""In the paper's order; each in the folder that torchvision gives it."""
