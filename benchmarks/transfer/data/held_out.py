"""Pictures of the kind that is pretrained on, kept apart: a task for in-domain accuracy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from transfer.data.reading import Resized, classes_of, labels_of
from transfer.data.sets import Task
from transfer.data.splits import three_way


def task(name: str, dataset: Any, size: int, rows: Tensor | None = None) -> Task:
    """Split pictures that no method trains on into 60 / 20 / 20 % of each class.

    The paper's linear test fits on the pretraining pictures' labels; here also the fit is on
    held-out ones, so numbers compare between methods, less so with the paper's.

    Args:
        name: as in tables.
        dataset: of torchvision, labelled.
        size: side of the pictures in pixels.
        rows: which of them are held out; ``None`` for all.
    """
    rows = torch.arange(len(dataset)) if rows is None else rows
    labels = labels_of(dataset)[rows]
    return Task(
        name=name,
        pictures=Subset(Resized(dataset, size), rows.tolist()),
        labels=labels,
        classes=classes_of(dataset),
        folds=(three_way(labels, torch.arange(len(labels))),),
    )
