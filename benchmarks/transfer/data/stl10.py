"""STL-10: 100,000 unlabelled pictures to pretrain on, 13,000 labelled ones of the same kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared.images import resized
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import datasets

from transfer.data import held_out
from transfer.data.entries import Entry
from transfer.data.errors import DataError, contents
from transfer.data.memory import InMemory
from transfer.data.reading import Source, joined, labels_of
from transfer.data.sets import Task

FOLDER = "stl10_binary"
LAYOUT = "{train,test}_{X,y}.bin, unlabeled_X.bin, class_names.txt"


def unlabelled(
    path: Path, pretrain_size: int, size: int, *, download: bool
) -> tuple[Dataset[tuple[Tensor, int]], Task]:
    """Read what the self-supervised methods need: pictures of class -1, and the labelled set.

    The paper's code also pretrains on the 5,000 labelled pictures, labels unseen. Here those are
    held out, so that in-domain accuracy is of pictures that no method saw; its split is the set's
    own, a tenth of ``train`` being to choose on.

    Returns:
        The unlabelled pictures in memory (2.8 GB at 96 pixels), and the held-out task.
    """
    dataset = _split(path, "unlabeled", download)
    entry = Entry(name="stl10", folder=FOLDER, read=_labelled_splits, layout=LAYOUT, val=0.1)
    task = entry.task(path, size, download=False)
    return InMemory(_images(dataset, pretrain_size), torch.full((len(dataset),), -1)), task


def labelled(
    path: Path, pretrain_size: int, size: int, *, download: bool
) -> tuple[Dataset[tuple[Tensor, int]], Task]:
    """Read what the supervised method needs: the 5,000 of ``train``; ``test`` is held out."""
    dataset = _split(path, "train", download)
    task = held_out.task("stl10-train", _split(path, "test", download), size)
    return InMemory(_images(dataset, pretrain_size), labels_of(dataset)), task


def _labelled_splits(path: Path, download: bool) -> Source:
    return joined({split: _split(path, split, download) for split in ("train", "test")})


def _split(path: Path, split: str, download: bool) -> Any:
    try:
        dataset = datasets.STL10(path, split=split, download=download)
    except RuntimeError as error:
        raise _bad(path, "a file is missing or its checksum is not torchvision's") from error
    if not hasattr(dataset, "classes"):
        raise _bad(path, "class_names.txt is missing")
    return dataset


def _bad(path: Path, why: str) -> DataError:
    return DataError(
        f"STL-10 as {path / FOLDER}/{LAYOUT}",
        f"{contents(path / FOLDER)} ({why})",
        f"Let it be fetched (--download), or give as path the folder that holds {FOLDER}.",
    )


def _images(dataset: Any, size: int) -> Tensor:
    """Copy torchvision's array, which is a transposed view, into rows that lie in one piece."""
    return resized(torch.from_numpy(np.ascontiguousarray(dataset.data)), size)
