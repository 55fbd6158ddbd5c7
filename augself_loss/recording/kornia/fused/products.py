"""Products in full float32 precision, whatever the process allows elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch

SMALL = 48
"""Pixels a side up to which a product with a matrix beats a loop or a convolution."""


def in_full() -> AbstractContextManager[object]:
    """Return a context in which no accelerator rounds a convolution's float32 to TF32."""
    now = torch.backends.cudnn
    return now.flags(
        enabled=now.enabled,
        benchmark=now.benchmark,
        deterministic=now.deterministic,
        allow_tf32=False,
    )


def by_matrix(size: Sequence[int]) -> bool:
    """Whether to work along an axis of images on a CPU by a matrix, which is faster while small.

    Not where a process lets products of float32 matrices be computed in less.
    """
    return max(size) <= SMALL and torch.get_float32_matmul_precision() == "highest"
