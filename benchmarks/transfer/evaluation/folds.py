"""What every test on a labelled set shares: splits, and scores over several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from _shared.bootstrap import uncertainty
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, recall_score
from torch import Tensor

from transfer.data.sets import Fold

Array = NDArray[Any]


def array(tensor: Tensor) -> Array:
    """Numbers for scikit-learn: float64 where they are floats."""
    values: Array = tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()
    return values


def weighted_mean(values: Sequence[float], folds: Sequence[Fold]) -> float:
    """Mean over folds, each as heavy as its test part."""
    return float(np.average(values, weights=[len(fold.test) for fold in folds]))


def standard_error(
    values: Sequence[Array],
    folds: Sequence[Fold],
    labels: Array | None = None,
    groups: Tensor | None = None,
    metric: str = "accuracy",
) -> float:
    """How far a mean over the folds' test rows may lie off by the chance of which rows they are.

    Args:
        values: score of every test row, fold by fold.
        folds: splits of the rows.
        labels: classes, ``(N,)``; for ``mean_per_class``, where a class's rows share one weight.
        groups: see :class:`transfer.data.sets.Task`; every row its own by default.
        metric: ``accuracy`` or ``mean_per_class``.
    """
    rows = np.concatenate([fold.test.numpy() for fold in folds])
    weights = None
    if metric == "mean_per_class" and labels is not None:
        weights = 1 / np.bincount(labels[rows])[labels[rows]]
    of_row = rows if groups is None else array(groups)[rows]
    return uncertainty(np.concatenate(list(values)), of_row, weights).standard_error


def all_tested(folds: Sequence[Fold]) -> Array:
    """Rows that are in some fold's test part, in order."""
    return np.unique(np.concatenate([fold.test.numpy() for fold in folds]))


def score(metric: str, labels: Array, predicted: Array) -> float:
    """Score predicted classes: ``accuracy``, or ``mean_per_class`` recall."""
    if metric == "accuracy":
        return float(accuracy_score(labels, predicted))
    if metric != "mean_per_class":
        raise ValueError(f"metric expected accuracy or mean_per_class, found {metric!r}.")
    # Of the classes that occur: a class without a picture has no recall.
    return float(recall_score(labels, predicted, labels=np.unique(labels), average="macro"))


def evenly(count: int, most: int) -> Tensor:
    """Places of at most ``most`` out of ``count``, evenly spread."""
    return torch.linspace(0, count - 1, min(most, count)).long()
