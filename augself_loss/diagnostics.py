"""What the features know: how well each augmentation parameter can be read from pairs of them.

Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.errors import FeatureError, missing_extra
from augself_loss.parameters import Record

try:
    import numpy as np
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError as error:
    raise missing_extra(__name__, "scikit-learn", "diagnostics") from error


ALPHAS = tuple(10.0**k for k in range(6))
"""Strengths of regularization that the readers choose from."""


class Readout(NamedTuple):
    """How well one type can be read from held-out pairs of features.

    Args:
        metric: ``R2`` for numbers, ``accuracy`` for classes.
        value: the score; R² is averaged over the type's columns.
        baseline: the score of predicting the mean (R²: 0) or the most frequent class.
        columns: per target column its own R²; empty for classes.
    """

    metric: Literal["R2", "accuracy"]
    value: float
    baseline: float
    columns: dict[str, float]


def read_parameters(
    features1: Tensor,
    features2: Tensor,
    record1: Record,
    record2: Record,
    encoders: Iterable[Encoder],
    *,
    test_fraction: float = 0.3,
) -> dict[str, Readout]:
    """Fit linear readers of every type's difference 1→2 on frozen features, and score them.

    The readers see ``[f1, f2, f1·f2]``: the products let them compare the two views (whether
    both are flipped is no linear function of the features). They are ridge regression and ridge
    classification, the regularization chosen by leave-one-out on the training part; the score is
    that of the rest.

    Args:
        features1: frozen features of the first views, ``(N, D)``.
        features2: frozen features of the second views, ``(N, D)``.
        record1: their record, entries ``(N, columns)``.
        record2: likewise.
        encoders: the types to read, e.g. a recorder's ``encoders``.
        test_fraction: part of the pairs, taken from the end, that is scored and not fitted.

    Returns:
        Type name → :class:`Readout`.

    Raises:
        FeatureError: fewer than 20 pairs, or features of different shapes.

    Reference:
        Lee et al., NeurIPS 2021, figure 2: parameters read from frozen features.
    """
    count = len(features1)
    if features1.shape != features2.shape or features1.ndim != 2 or count < 20:
        raise FeatureError(
            "read_parameters expected two tensors (N, D) with N >= 20, found "
            f"{tuple(features1.shape)} and {tuple(features2.shape)}."
        )
    train = count - max(1, round(count * test_fraction))
    pairs = torch.cat([features1, features2, features1 * features2], dim=1)
    inputs = pairs.double().cpu().numpy()
    readouts = {}
    for encoder in encoders:
        target = encoder.difference(record1, record2).double().cpu().numpy()
        read = _read_numbers if encoder.kind == "regression" else _read_classes
        readouts[encoder.name] = read(inputs, target, train, encoder)
    return readouts


def _read_numbers(inputs: Any, target: Any, train: int, encoder: Encoder) -> Readout:
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS))
    ridge.fit(inputs[:train], target[:train])
    scores = r2_score(target[train:], ridge.predict(inputs[train:]), multioutput="raw_values")
    names = [c for c, limits in zip(encoder.columns, encoder.ranges, strict=True) if limits]
    columns: Mapping[str, float] = dict(zip(names, map(float, scores), strict=True))
    return Readout("R2", float(scores.mean()), 0.0, dict(columns))


def _read_classes(inputs: Any, target: Any, train: int, _encoder: Encoder) -> Readout:
    labels = target.reshape(len(target)).round().astype(int)
    values, counts = np.unique(labels[:train], return_counts=True)
    frequent = values[counts.argmax()]
    baseline = float((labels[train:] == frequent).mean())
    if len(values) < 2:
        return Readout("accuracy", baseline, baseline, {})
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS))
    model.fit(inputs[:train], labels[:train])
    return Readout("accuracy", float(model.score(inputs[train:], labels[train:])), baseline, {})
