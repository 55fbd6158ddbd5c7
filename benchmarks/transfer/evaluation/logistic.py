"""Logistic regression by L-BFGS, with a count of the fits that were cut short."""

from __future__ import annotations

import warnings

from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from transfer.evaluation.folds import Array
from transfer.evaluation.settings import EvaluationSettings


def regression(settings: EvaluationSettings, classes: int, strength: float) -> LogisticRegression:
    """Make a multinomial logistic regression with ``C=strength`` that goes on from its last fit."""
    # A class's part of the mean loss, and of its gradient, is about one over their number: with
    # one tolerance for all, a regression on 221 flags stopped 2.5 points too early.
    tolerance = settings.tolerance / classes
    return LogisticRegression(
        C=strength, tol=tolerance, max_iter=settings.iterations, warm_start=True
    )


def fit(model: LogisticRegression, features: Array, labels: Array) -> int:
    """Fit, and return 1 if it did not converge, else 0.

    A regression that is hardly regularized may need more iterations than it is worth: the result
    says how many did, rather than a warning among progress bars.
    """
    # Features were found finite when they were computed; a small fit costs less than to look again.
    checked = config_context(assume_finite=True, skip_parameter_validation=True)
    with checked, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(features, labels)
    return int(any(issubclass(w.category, ConvergenceWarning) for w in caught))
