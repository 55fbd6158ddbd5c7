"""What every loss of the library returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """What the loss returns.

    Args:
        total: Σ λ_a · L_a, the scalar to add to the host's loss.
        terms: type name → L_a, unweighted scalars, to log.
    """

    total: Tensor
    terms: dict[str, Tensor]
