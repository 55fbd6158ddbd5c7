"""Retrieval: are a picture's nearest neighbours of its class?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_precision

from transfer.data.sets import Fold
from transfer.evaluation.folds import all_tested, evenly
from transfer.evaluation.settings import EvaluationSettings

NEAREST = 5
"""Neighbours that precision is taken of, and that are shown."""
SHOWN = 4
"""Queries whose neighbours are shown."""


def retrieval(
    features: Tensor, labels: Tensor, folds: Sequence[Fold], *, settings: EvaluationSettings
) -> dict[str, Any]:
    """Look for every test picture's nearest neighbours, by cosine, among the other test pictures.

    Args:
        features: frozen, ``(N, D)``.
        labels: classes, int64 ``(N,)``.
        folds: splits of the rows; their test parts together are searched.
        settings: how many queries at most (evenly chosen), seed of those shown.

    Returns:
        ``precision@5`` (of fewer where there are fewer) and ``mean_average_precision`` over the
        queries that have one of their class to find; ``n_queries``; ``neighbours``: row of a query,
        as text → rows of its five nearest, for a few queries of different classes, the same
        whatever the features are. Where no class has two test pictures, no scores.
    """
    rows = torch.from_numpy(all_tested(folds))
    known, classes = normalize(features[rows], dim=1), labels[rows]
    precisions, averages = [], []
    count = min(NEAREST, len(rows) - 1)
    for query in _queries(classes, settings.retrieval_queries):
        similar = _similar(known, query)
        same = classes == classes[query]
        same[query] = False
        precisions.append(float(retrieval_precision(similar, same, top_k=count)))
        averages.append(float(retrieval_average_precision(similar, same)))
    shown = shown_queries(labels, folds, seed=settings.seed)
    places = {row: int(torch.searchsorted(rows, row)) for row in shown}
    nearest = {row: _similar(known, place).topk(count).indices for row, place in places.items()}
    scores = {f"precision@{NEAREST}": precisions, "mean_average_precision": averages}
    return {
        **{name: float(np.mean(each)) for name, each in scores.items() if each},
        "n_queries": len(precisions),
        "neighbours": {str(row): rows[places].tolist() for row, places in nearest.items()},
    }


def shown_queries(labels: Tensor, folds: Sequence[Fold], *, seed: int) -> list[int]:
    """Rows of test pictures of different classes, for the picture of neighbours."""
    random = np.random.default_rng(seed)
    rows = all_tested(folds)
    classes = labels.numpy()[rows]
    present = np.unique(classes)
    places = np.linspace(0, len(present) - 1, min(SHOWN, len(present))).round().astype(int)
    return [int(random.choice(rows[classes == c])) for c in present[places]]


def _queries(classes: Tensor, most: int) -> list[int]:
    """Places that have another of their class, evenly chosen where there are too many."""
    findable = (torch.bincount(classes)[classes] > 1).nonzero().flatten()
    chosen: list[int] = findable[evenly(len(findable), most)].tolist()
    return chosen


def _similar(known: Tensor, query: int) -> Tensor:
    """Cosines to one of them, plus 2; to itself 0.

    torchmetrics takes what has a score of 0 or less for not found at all.
    """
    similar = known @ known[query] + 2
    similar[query] = 0
    return similar
