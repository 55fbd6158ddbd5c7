"""In-domain accuracy: what features are worth on pictures of the kind that they were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from transfer.data.sets import Fold
from transfer.evaluation.folds import Array, array, score, weighted_mean
from transfer.evaluation.ridge import classify
from transfer.evaluation.settings import EvaluationSettings

ALPHAS = np.logspace(-1, 5, 13)
"""Strengths of regularization to choose from."""


def ridge(
    features: Tensor,
    labels: Tensor,
    folds: Sequence[Fold],
    *,
    metric: str = "accuracy",
    solver: str = "scikit-learn",
) -> dict[str, Any]:
    """Classify by ridge regression: linear, and in closed form.

    The pictures to pretrain on can have hundreds of classes, for which the path of logistic
    regressions that the tasks get takes longer than the pretraining.

    Args:
        features: frozen, ``(N, D)``.
        labels: classes, int64 ``(N,)``.
        folds: splits of the rows; regularization is chosen on ``train`` and ``val`` by
            leave-one-out.
        metric: ``accuracy`` or ``mean_per_class``.
        solver: as :class:`~transfer.evaluation.settings.EvaluationSettings` has it.

    Returns:
        ``test``, a mean over the folds weighted by their test parts; ``folds``; ``alpha``, the
        choices; ``n_test``; ``metric``.
    """
    x, y = array(features), array(labels)
    scores, chosen = [], []
    for fold in folds:
        known, test = np.concatenate([fold.train.numpy(), fold.val.numpy()]), fold.test.numpy()
        fit = _predicted_at_once if solver == "torch" else _predicted
        predicted, alpha = fit(x[known], y[known], x[test])
        scores.append(score(metric, y[test], predicted))
        chosen.append(alpha)
    return {
        "test": weighted_mean(scores, folds),
        "folds": scores,
        "alpha": chosen,
        "n_test": sum(len(fold.test) for fold in folds),
        "metric": metric,
    }


def _predicted(x: Array, y: Array, other: Array) -> tuple[Array, float]:
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS)).fit(x, y)
    return model.predict(other), float(model[-1].alpha_)


def _predicted_at_once(x: Array, y: Array, other: Array) -> tuple[Array, float]:
    scaler = StandardScaler().fit(x)
    fitted, scored = (torch.from_numpy(scaler.transform(part)) for part in (x, other))
    classes, alpha = classify(fitted, torch.from_numpy(y), scored, ALPHAS.tolist())
    return classes.numpy(), alpha


def nearest_neighbours(
    features: Tensor,
    labels: Tensor,
    folds: Sequence[Fold],
    *,
    metric: str = "accuracy",
    settings: EvaluationSettings,
) -> float:
    """Classify every test row as most of its nearest rows of ``train`` and ``val``, by cosine.

    Nothing is fitted or chosen: it shows what the features' geometry holds as it is.

    Args:
        features: frozen, ``(N, D)``.
        labels: classes, int64 ``(N,)``.
        folds: splits of the rows.
        metric: ``accuracy`` or ``mean_per_class``.
        settings: how many neighbours vote.

    Returns:
        The score, a mean over the folds weighted by their test parts.
    """
    x, y = array(features), array(labels)
    scores = []
    for fold in folds:
        known = [*fold.train.tolist(), *fold.val.tolist()]
        voters = min(settings.neighbours, len(known))
        model = KNeighborsClassifier(voters, metric="cosine").fit(x[known], y[known])
        test = fold.test.numpy()
        scores.append(score(metric, y[test], model.predict(x[test])))
    return weighted_mean(scores, folds)
