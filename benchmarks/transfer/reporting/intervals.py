"""Means over seeds, and how sure they are: paired differences, Student's t."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from scipy import stats

CONFIDENCE = 0.95
ROUNDING = 1e-9
"""Differences of equal scores are no larger; one test picture more or less is."""
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Estimate:
    """A mean of repeated measurements.

    Args:
        mean: of the values.
        interval: half the width of the 95 % Student-t interval; ``None`` of a single value.
        values: what was measured, by seed, or by method and seed.
    """

    mean: float
    interval: float | None
    values: Mapping[str, float]

    @property
    def excludes_zero(self) -> bool:
        """Whether the mean's sign is sure at 95 %; never of a single value."""
        return self.interval is not None and abs(self.mean) > self.interval + ROUNDING

    @property
    def positive(self) -> bool:
        """Whether the mean is above 0, sure or not."""
        return self.mean > ROUNDING


def estimate(values: Mapping[str, float]) -> Estimate | None:
    """Mean with its interval; ``None`` of no values."""
    if not values:
        return None
    numbers = list(values.values())
    interval = None
    if len(numbers) > 1:
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1))
        interval = quantile * statistics.stdev(numbers) / math.sqrt(len(numbers))
    return Estimate(statistics.fmean(numbers), interval, dict(values))


def paired(plain: Mapping[K, float], augself: Mapping[K, float]) -> dict[K, float]:
    """Gains ``augself - plain`` of the keys that both have, in the order of ``plain``."""
    return {key: augself[key] - value for key, value in plain.items() if key in augself}
