"""What every fit does first: bring columns to one scale, hold rows back to choose by."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Self


class Scale(NamedTuple):
    """Mean and standard deviation of columns, on the CPU.

    By it no column counts for more because its numbers are larger. One that never varies has 1.

    Args:
        mean: ``(D,)``.
        deviation: ``(D,)``, positive.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, rows: Tensor, dtype: torch.dtype) -> Self:
        """Measure rows ``(N, D)``."""
        known = rows.to("cpu", dtype)
        deviation = known.std(dim=0, correction=0)
        # Rounding gives a constant column a deviation of its own; by that nothing may be divided.
        constant = deviation <= 1e-6 * known.abs().amax(dim=0)
        return cls(known.mean(dim=0), deviation.masked_fill(constant, 1.0))

    def scaled(self, rows: Tensor) -> Tensor:
        """Bring rows ``(..., D)`` to mean 0 and deviation 1."""
        return (rows.to("cpu", self.mean.dtype) - self.mean) / self.deviation

    def unscaled(self, rows: Tensor) -> Tensor:
        """Take rows back to their own units."""
        return rows * self.deviation + self.mean


def fitted_rows(count: int) -> int:
    """How many rows to fit; the rest, an eighth at the end, chooses between fits."""
    return count - max(1, count // 8)
