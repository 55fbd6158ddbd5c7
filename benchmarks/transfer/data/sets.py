"""What a data setting offers, whether its pictures lie in memory or on a disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor
from torch.utils.data import Dataset


class Fold(NamedTuple):
    """Row numbers of one split of a labelled set, int64 each; no row in two of them.

    Args:
        train: to fit on.
        val: to choose the regularization on; the final fit is on ``train`` and ``val``.
        test: to score.
    """

    train: Tensor
    val: Tensor
    test: Tensor


@dataclass(frozen=True)
class Task:
    """A labelled set to test frozen features on.

    Args:
        name: as in tables.
        pictures: row → uint8 ``(3, S, S)``, the whole of the picture that the network shall see.
            Of pairs (``views=2``) the two pictures of every row in turn, ``2 N`` of them.
        labels: class of every row, int64 ``(N,)``.
        classes: names of the classes.
        folds: one split, or k of cross-validation.
        metric: how a prediction is scored: ``mean_per_class`` averages the classes' recalls.
        lives_on: what one must know of a picture to solve it: color, position, category, …
        boxes: of what there is to localize, ``(N, 4)``: centre x, centre y, width, height as
            fractions of the picture; ``None`` where nothing is.
        groups: number of every row's group, int64 ``(N,)``: pictures of one thing, which stand or
            fall together, so that standard errors count groups; ``None`` where each is its own.
        views: pictures of a row, whose features stand side by side.
        few_shot: run episodes on it.
        linear: evaluate a linear classifier on it and, unless its rows are pairs, retrieval.
        credit: whose pictures these are and under which licence, for where some are shown.
    """

    name: str
    pictures: Dataset[Tensor]
    labels: Tensor
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    metric: Literal["accuracy", "mean_per_class"] = "accuracy"
    lives_on: str = "category"
    boxes: Tensor | None = None
    groups: Tensor | None = None
    views: int = 1
    few_shot: bool = False
    linear: bool = True
    credit: str = ""


@dataclass(frozen=True)
class Setting:
    """All the pictures of one comparison.

    Args:
        name: ``offline``, ``offline-2``, ``stl10``, ``imagenet100``, ``imagefolder``.
        pretrain: row → (uint8 ``(3, S, S)``, class); the class is for the supervised method only.
        classes: how many classes ``pretrain`` has.
        held_out: pictures of the same kind that no method trains on, as a labelled task: in-domain
            accuracy is measured on it, parameters are read from its views.
        tasks: downstream sets by name.
    """

    name: str
    pretrain: Dataset[tuple[Tensor, int]]
    classes: int
    held_out: Task
    tasks: Mapping[str, Task]
