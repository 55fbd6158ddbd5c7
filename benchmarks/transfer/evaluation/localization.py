"""Localization: where is it? A box, regressed from frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from transfer.data.sets import Fold
from transfer.evaluation.folds import Array, array, standard_error, weighted_mean

ALPHAS = tuple(10.0**k for k in range(6, -3, -1))
"""What is tried, from strong regularization to weak."""
COLUMNS = ("cx", "cy", "w", "h")


class Fit(NamedTuple):
    """What came of one fold.

    Args:
        test: mean IoU of the test part.
        val: mean IoU of the validation part with what was chosen.
        alpha: the choice.
        baseline: mean IoU of the mean box.
        columns: R² of cx, cy, w, h.
        ious: of every test row.
    """

    test: float
    val: float
    alpha: float
    baseline: float
    columns: list[float]
    ious: Array


def localization(
    features: Tensor, boxes: Tensor, folds: Sequence[Fold], *, groups: Tensor | None = None
) -> dict[str, Any]:
    """Evaluate features by the best ridge regression from them to a box.

    What is regressed is ``(cx, cy, log w, log h)``, kept within what the fitted rows have. The
    regularization is what gives the best mean IoU on ``val`` (of equals the strongest); the fit on
    ``train`` and ``val`` with it is scored on ``test``.

    Args:
        features: frozen, ``(N, D)``.
        boxes: ``(N, 4)``: centre x, centre y, width, height as fractions of the picture.
        folds: splits of the rows.
        groups: see :class:`transfer.data.sets.Task`.

    Returns:
        ``test`` and ``val``, mean IoU over the rows; ``standard_error`` of ``test`` by the chance
        of which pictures are tested; ``baseline``, that of always answering the
        mean box; ``R2``, mean of ``columns`` (cx, cy, w, h); ``alpha`` and ``folds``, per fold;
        ``n_test``.

    Raises:
        ValueError: boxes of another shape, or without an extent.
    """
    check_boxes(boxes)
    x, y = array(features), array(boxes)
    fits = fit_boxes(x, y, folds)
    columns = [weighted_mean([f.columns[k] for f in fits], folds) for k in range(4)]
    return {
        "test": weighted_mean([f.test for f in fits], folds),
        "val": weighted_mean([f.val for f in fits], folds),
        "standard_error": standard_error([f.ious for f in fits], folds, groups=groups),
        "baseline": weighted_mean([f.baseline for f in fits], folds),
        "R2": float(np.mean(columns)),
        "columns": dict(zip(COLUMNS, columns, strict=True)),
        "alpha": [f.alpha for f in fits],
        "folds": [f.test for f in fits],
        "n_test": sum(len(fold.test) for fold in folds),
    }


def fit_boxes(x: Array, y: Array, folds: Sequence[Fold]) -> list[Fit]:
    """Fit and score every fold, as :func:`localization` says."""
    return [_fit_fold(x, y, fold) for fold in folds]


def check_boxes(boxes: Tensor) -> None:
    """Refuse what are no boxes."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not (boxes[:, 2:] > 0).all():
        raise ValueError(
            "Expected boxes (N, 4) of centre x, centre y and positive width and height, found "
            f"{tuple(boxes.shape)}{' with one of width or height 0' if boxes.ndim == 2 else ''}."
        )


def mean_iou(boxes1: Array, boxes2: Array) -> float:
    """Mean intersection over union of paired boxes ``(N, 4)`` (cx, cy, w, h)."""
    return float(_ious(boxes1, boxes2).mean())


def _ious(boxes1: Array, boxes2: Array) -> Array:
    corners = (box_convert(torch.from_numpy(b), "cxcywh", "xyxy") for b in (boxes1, boxes2))
    pairs = zip(*(c.split(256) for c in corners), strict=True)  # all with all, a few at a time
    found: Array = torch.cat([box_iou(a, b).diagonal() for a, b in pairs]).numpy()
    return found


def _fit_fold(x: Array, y: Array, fold: Fold) -> Fit:
    train, val, test = (part.numpy() for part in fold)
    scores = [mean_iou(_predicted(x, y, train, val, alpha), y[val]) for alpha in ALPHAS]
    best = int(np.argmax(scores))  # the first of equals: the strongest
    both = np.concatenate([train, val])
    predicted = _predicted(x, y, both, test, ALPHAS[best])
    typical = np.broadcast_to(_boxes(_targets(y[both]).mean(axis=0)), predicted.shape)
    columns = r2_score(y[test], predicted, multioutput="raw_values")
    ious = _ious(predicted, y[test])
    return Fit(
        float(ious.mean()),
        scores[best],
        ALPHAS[best],
        mean_iou(typical.copy(), y[test]),
        [float(value) for value in columns],
        ious,
    )


def _predicted(x: Array, y: Array, fitted: Array, rows: Array, alpha: float) -> Array:
    """Boxes ``(n, 4)`` that a regression on the fitted rows predicts for others."""
    targets = _targets(y[fitted])
    model = make_pipeline(StandardScaler(), Ridge(alpha)).fit(x[fitted], targets)
    # A linear prediction knows no bounds, and a size is its exponential.
    return _boxes(np.clip(model.predict(x[rows]), targets.min(axis=0), targets.max(axis=0)))


def _targets(boxes: Array) -> Array:
    return np.concatenate([boxes[:, :2], np.log(boxes[:, 2:])], axis=1)


def _boxes(targets: Array) -> Array:
    return np.concatenate([targets[..., :2], np.exp(targets[..., 2:])], axis=-1)
