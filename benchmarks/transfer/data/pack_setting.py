"""The pack in this repository as a small data setting: no download, for a look and for tests."""

from __future__ import annotations

import torch
from _shared import pack
from _shared.images import resized
from torch import Tensor

from transfer.data.memory import InMemory
from transfer.data.sets import Fold, Setting, Task

LIVES_ON = {"skintone": "color", "flags": "color", "locate": "position", "category": "category"}


def load(size: int, limit: int | None = None) -> Setting:
    """Load the pack.

    Args:
        size: side of the pictures in pixels.
        limit: read about this many pictures of each kind.

    Returns:
        The setting; its pretraining classes are the sources of the pictures.
    """
    pictures = pack.load("pretrain")
    sources = tuple(sorted({origin.split("/")[0] for origin in pictures.origins}))
    labels = torch.tensor([sources.index(origin.split("/")[0]) for origin in pictures.origins])
    rows = _some(len(labels), limit)
    images, labels = resized(pictures.images[rows], size), labels[rows]
    held_out = torch.arange(len(rows)) % 10 == 0
    order = torch.cat([torch.nonzero(~held_out), torch.nonzero(held_out)]).squeeze(1)
    kept = int((~held_out).sum())
    in_domain = Task(
        name="held out",
        pictures=InMemory(images[order]),
        labels=labels[order],
        classes=sources,
        folds=(_fold(torch.arange(kept), torch.arange(kept, len(rows))),),
    )
    return Setting(
        name="pack",
        pretrain=InMemory(images[~held_out], labels[~held_out]),
        classes=len(sources),
        held_out=in_domain,
        tasks={name: _task(name, size, limit) for name in LIVES_ON},
    )


def _task(name: str, size: int, limit: int | None) -> Task:
    task = pack.load(name)
    if task.labels is None or task.split is None:
        raise ValueError(f"The pack expected labels of {name!r}, found none.")
    rows = torch.arange(len(task.labels)) if name == "flags" else _some(len(task.labels), limit)
    train, test = (torch.nonzero(task.split[rows] == part).squeeze(1) for part in (0, 1))
    # A flag has one picture to train on: the regularization is chosen on a part of the others.
    fourth = torch.arange(len(test)) % 4 == 0
    fold = Fold(train, test[fourth], test[~fourth]) if name == "flags" else _fold(train, test)
    return Task(
        name=name,
        pictures=InMemory(resized(task.images[rows], size)),
        labels=task.labels[rows],
        classes=task.classes,
        folds=(fold,),
        lives_on=LIVES_ON[name],
        boxes=None if task.boxes is None else task.boxes[rows],
        few_shot=name == "category",
    )


def _some(count: int, limit: int | None) -> Tensor:
    """Row numbers, evenly spread."""
    return torch.linspace(0, count - 1, min(count, limit or count)).long()


def _fold(train: Tensor, test: Tensor) -> Fold:
    """Every fifth picture to choose the regularization on."""
    fifth = torch.arange(len(train)) % 5 == 4
    return Fold(train[~fifth], train[fifth], test)
