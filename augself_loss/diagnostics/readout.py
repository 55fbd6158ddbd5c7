"""How well each augmentation parameter can be read from pairs of features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from augself_loss.diagnostics.mlp import fit_mlp
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
    raise missing_extra("augself_loss.diagnostics", "scikit-learn", "diagnostics") from error


ALPHAS = tuple(10.0**k for k in range(6))
"""Strengths of regularization that the linear readers choose from."""
Probe: TypeAlias = Literal["ridge", "mlp"]
"""What reads the parameters: linear in the features and their products, or a small MLP."""
Reader: TypeAlias = Callable[[Any], Any]
"""Reads targets, or class labels, from rows of inputs."""


class Readout(NamedTuple):
    """How well one type can be read from held-out pairs of features.

    Args:
        metric: ``R2`` for numbers, ``accuracy`` for classes.
        value: the score; R² is averaged over the type's columns.
        baseline: the score of predicting the mean (R²: 0) or the most frequent class.
        columns: R² of each target column; empty for classes.
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
    probe: Probe = "ridge",
    seed: int = 0,
) -> dict[str, Readout]:
    """Fit readers of every type's difference 1→2 to frozen features, and score them.

    By default they are linear in ``[f1, f2, f1·f2]``: the products let them compare the two views
    (whether both are flipped is no linear function of the features). They are ridge regression and
    ridge classification, with the regularization chosen by leave-one-out on the training part. With
    ``probe="mlp"`` a small MLP reads ``[f1, f2]``; an eighth of the training part decides when it
    stops. The rest of the pairs give the score.

    Crop differences are in view 1's own frame, ``left`` mirrored if view 1 is flipped. To read
    that, one must find in view 1 what view 2 shows, and tell its left from its right. No linear
    function of the features can, and features that a flip does not change do not hold it.

    Args:
        features1: frozen features of the first views, ``(N, D)``.
        features2: frozen features of the second views, ``(N, D)``.
        record1: their record, entries ``(N, columns)``.
        record2: that of the second views.
        encoders: the types to read, e.g. a recorder's ``encoders``.
        test_fraction: share of the pairs, taken from the end, that is scored and not fitted.
        probe: ``ridge`` or ``mlp``.
        seed: the MLP's.

    Returns:
        Type name → :class:`Readout`.

    Raises:
        FeatureError: fewer than 20 pairs, features of different shapes, or an unknown probe.

    Reference:
        Lee et al., NeurIPS 2021, figure 2: parameters read from frozen features.

    Example:
        >>> from augself_loss import ColorEncoder
        >>> color = ColorEncoder(brightness=0.4, contrast=None, saturation=None, hue=None)
        >>> factors = [torch.tensor([[1.0] * 4]) + 0.4 * torch.rand(200, 4) for _ in range(2)]
        >>> features = [each[:, :1] * torch.ones(8) for each in factors]  # as bright as the view
        >>> records = [{"color": each} for each in factors]
        >>> for probe in ("ridge", "mlp"):
        ...     read = read_parameters(*features, *records, [color], probe=probe)
        ...     print(read["color"].columns["brightness"] > 0.9)
        True
        True
    """
    count = len(features1)
    if features1.shape != features2.shape or features1.ndim != 2 or count < 20:
        raise FeatureError(
            "read_parameters expected two tensors (N, D) with the same N >= 20, found "
            f"{tuple(features1.shape)} and {tuple(features2.shape)}."
        )
    if probe not in ("ridge", "mlp"):
        raise FeatureError(f"probe expected 'ridge' or 'mlp', found {probe!r}.")
    train = count - max(1, round(count * test_fraction))
    products = [features1 * features2] if probe == "ridge" else []
    inputs = torch.cat([features1, features2, *products], dim=1).double().cpu().numpy()
    readouts = {}
    for encoder in encoders:
        target = encoder.difference(record1, record2).double().cpu().numpy()
        if encoder.kind == "regression":
            readouts[encoder.name] = _read_numbers(inputs, target, train, encoder, (probe, seed))
        else:
            readouts[encoder.name] = _read_classes(inputs, target, train, (probe, seed))
    return readouts


def _read_numbers(
    inputs: Any, target: Any, train: int, encoder: Encoder, how: tuple[Probe, int]
) -> Readout:
    read = (_ridge if how[0] == "ridge" else _mlp)(inputs[:train], target[:train], how[1])
    scores = r2_score(target[train:], read(inputs[train:]), multioutput="raw_values")
    names = [c for c, limits in zip(encoder.columns, encoder.ranges, strict=True) if limits]
    columns = dict(zip(names, map(float, scores), strict=True))
    return Readout("R2", float(scores.mean()), 0.0, columns)


def _read_classes(inputs: Any, target: Any, train: int, how: tuple[Probe, int]) -> Readout:
    labels = target.reshape(len(target)).round().astype(int)
    values, counts = np.unique(labels[:train], return_counts=True)
    frequent = values[counts.argmax()]
    baseline = float((labels[train:] == frequent).mean())
    if len(values) < 2:
        return Readout("accuracy", baseline, baseline, {})
    classify = _ridge_classes if how[0] == "ridge" else _mlp_classes
    read = classify(inputs[:train], labels[:train], how[1])
    right = read(inputs[train:]) == labels[train:]
    return Readout("accuracy", float(right.mean()), baseline, {})


def _ridge(inputs: Any, targets: Any, _seed: int) -> Reader:
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS))
    read: Reader = ridge.fit(inputs, targets).predict
    return read


def _ridge_classes(inputs: Any, labels: Any, _seed: int) -> Reader:
    ridge = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS))
    read: Reader = ridge.fit(inputs, labels).predict
    return read


def _mlp(inputs: Any, targets: Any, seed: int) -> Reader:
    fitted = fit_mlp(torch.from_numpy(inputs), torch.from_numpy(targets), seed=seed)
    return lambda rows: fitted(torch.from_numpy(rows)).double().numpy()


def _mlp_classes(inputs: Any, labels: Any, seed: int) -> Reader:
    """Classify as ridge classification does: by the largest of as many numbers as classes."""
    values = np.unique(labels)
    scores = _mlp(inputs, (labels[:, None] == values).astype(float), seed)
    return lambda rows: values[scores(rows).argmax(axis=1)]
