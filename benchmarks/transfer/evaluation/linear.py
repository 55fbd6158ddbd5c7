"""Linear evaluation: logistic regression on frozen features, regularized as validation says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from transfer.data.sets import Fold
from transfer.evaluation import at_once
from transfer.evaluation.folds import Array, array, score, standard_error, weighted_mean
from transfer.evaluation.logistic import fit, regression
from transfer.evaluation.settings import EvaluationSettings


class Fit(NamedTuple):
    """What came of one fold.

    Args:
        test: score of the test part.
        val: score of the validation part with what was chosen.
        C: the choice.
        unconverged: how many fits were cut short.
        right: 1 for every test row whose class was found, else 0.
    """

    test: float
    val: float
    C: float
    unconverged: int
    right: Array


def linear(
    features: Tensor,
    labels: Tensor,
    folds: Sequence[Fold],
    *,
    metric: str = "accuracy",
    groups: Tensor | None = None,
    settings: EvaluationSettings,
) -> dict[str, Any]:
    """Evaluate features by the best linear classifier on them.

    On every fold: fit on ``train`` along the path from strong regularization to weak, each fit
    starting from the last one; choose what is best on ``val``, by its score or by its loss (of
    equals the strongest); fit that on ``train`` and ``val`` anew; score ``test``.

    Args:
        features: frozen, ``(N, D)``.
        labels: classes, int64 ``(N,)``.
        folds: splits of the rows.
        metric: ``accuracy`` or ``mean_per_class``.
        groups: see :class:`transfer.data.sets.Task`.
        settings: the path, how to choose on it, and whether to standardize.

    Returns:
        ``test`` and ``val``, means over the folds weighted by their test parts; ``folds``, the
        test scores; ``standard_error`` of ``test`` by the chance of which pictures are tested;
        ``C``, the choices; ``at_edge``, how many of them are an end of the path; ``n_test``;
        ``metric``; ``unconverged``, how many fits were cut short.
    """
    x, y = array(features), array(labels)
    fits = fit_folds(x, y, folds, metric, settings)
    ends = (settings.strengths[0], settings.strengths[-1])
    return {
        "test": weighted_mean([f.test for f in fits], folds),
        "val": weighted_mean([f.val for f in fits], folds),
        "folds": [f.test for f in fits],
        "standard_error": standard_error([f.right for f in fits], folds, y, groups, metric),
        "C": [f.C for f in fits],
        "at_edge": sum(f.C in ends for f in fits),
        "n_test": sum(len(fold.test) for fold in folds),
        "metric": metric,
        "unconverged": sum(f.unconverged for f in fits),
    }


def fit_folds(
    x: Array, y: Array, folds: Sequence[Fold], metric: str, settings: EvaluationSettings
) -> list[Fit]:
    """Fit and score every fold, as :func:`linear` says."""
    fit_fold = _fit_fold_at_once if settings.solver == "torch" else _fit_fold
    return [fit_fold(x, y, fold, metric, settings) for fold in folds]


def _fit_fold(x: Array, y: Array, fold: Fold, metric: str, settings: EvaluationSettings) -> Fit:
    train, val, test = (part.numpy() for part in fold)
    fitted, chosen_on = _scaled(x[train], x[val], settings)
    classes = len(np.unique(y))
    model = regression(settings, classes, settings.strengths[0])
    scores, worths, unconverged = [], [], 0
    for C in settings.strengths:  # noqa: N806 - scikit-learn's name
        model.set_params(C=C)
        unconverged += fit(model, fitted, y[train])
        scores.append(score(metric, y[val], model.predict(chosen_on)))
        by_loss = settings.choose == "loss"
        worths.append(-_loss(model, chosen_on, y[val]) if by_loss else scores[-1])
    best = int(np.argmax(worths))  # the first of equals: the strongest
    both = np.concatenate([train, val])
    fitted, scored = _scaled(x[both], x[test], settings)
    final = regression(settings, classes, settings.strengths[best])
    unconverged += fit(final, fitted, y[both])
    predicted = final.predict(scored)
    return Fit(
        score(metric, y[test], predicted),
        scores[best],
        settings.strengths[best],
        unconverged,
        (predicted == y[test]).astype(float),
    )


def _fit_fold_at_once(
    x: Array, y: Array, fold: Fold, metric: str, settings: EvaluationSettings
) -> Fit:
    """Do the same as :func:`_fit_fold`, all strengths at once."""
    train, val, test = (part.numpy() for part in fold)
    fitted, chosen_on = map(torch.from_numpy, _scaled(x[train], x[val], settings))
    labels, classes = torch.from_numpy(y), len(np.unique(y))
    path = at_once.path(fitted, labels[train], settings.strengths, classes, settings)
    scores = [score(metric, y[val], rows.numpy()) for rows in path.predicted(chosen_on)]
    by_loss = settings.choose == "loss"
    worths = [-loss for loss in path.losses(chosen_on, labels[val])] if by_loss else scores
    best = int(np.argmax(worths))  # the first of equals: the strongest
    strength = settings.strengths[best]
    both = np.concatenate([train, val])
    fitted, scored = map(torch.from_numpy, _scaled(x[both], x[test], settings))
    final = at_once.path(fitted, labels[both], [strength], classes, settings)
    predicted = final.predicted(scored)[0].numpy()
    return Fit(
        score(metric, y[test], predicted),
        scores[best],
        strength,
        path.unconverged + final.unconverged,
        (predicted == y[test]).astype(float),
    )


def _loss(model: LogisticRegression, x: Array, y: Array) -> float:
    """Mean cross-entropy, over the rows whose class was fitted: no strength helps the others."""
    known = np.isin(y, model.classes_)
    if not known.any():
        return 0.0
    return float(log_loss(y[known], model.predict_proba(x[known]), labels=model.classes_))


def _scaled(fitted: Array, other: Array, settings: EvaluationSettings) -> tuple[Array, Array]:
    """Both parts on the scale of the one that is fitted."""
    if not settings.standardize:
        return fitted, other
    scaler = StandardScaler().fit(fitted)
    return scaler.transform(fitted), scaler.transform(other)
