"""In-domain accuracy: what features are worth on pictures of the kind that they were trained on."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from transfer.data.sets import Fold
from transfer.evaluation.folds import array, score, weighted_mean
from transfer.evaluation.settings import EvaluationSettings


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
