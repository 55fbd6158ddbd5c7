"""How far a score may lie off by the chance of which pictures are in the test set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DRAWS = 1000


class Uncertainty(NamedTuple):
    """Of a mean over test pictures: its standard error, and the bounds of its 95 % interval."""

    standard_error: float
    low: float
    high: float


def uncertainty(
    values: Array,
    groups: Array | None = None,
    weights: Array | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Uncertainty:
    """Bootstrap a mean over test pictures, percentile method.

    Pictures of one group (one texture's crops, one flag by several vendors) stand or fall
    together, so that whole groups are drawn. A picture that is scored several times, as in
    repeated cross-validation, is one group too.

    Args:
        values: score of every test picture, e.g. 1 where it was recognized, ``(N,)``.
        groups: numbers or names of their groups, ``(N,)``; each picture is its own by default.
        weights: how much each counts, ``(N,)``; equally by default.
        draws: how often as many groups are drawn as there are.
        seed: of the draws: two runs that are compared are drawn alike.

    Returns:
        The uncertainty, in the values' unit; 0 around the mean if there is one group only.

    Example:
        >>> found = uncertainty(np.array([1.0, 0.0] * 50))
        >>> f"{found.standard_error:.2f}, {found.low:.1f} to {found.high:.1f}"
        '0.05, 0.4 to 0.6'
    """
    weights = np.ones(len(values)) if weights is None else weights
    place = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(place, weights * values), np.bincount(place, weights)
    count = len(sums)
    random = np.random.default_rng(seed)
    drawn = (random.integers(count, size=count) for _ in range(draws))  # one at a time: memory
    means = np.array([sums[rows].sum() / sizes[rows].sum() for rows in drawn])
    low, high = np.quantile(means, (0.025, 0.975))
    return Uncertainty(float(means.std()), float(low), float(high))
