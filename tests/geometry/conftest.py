"""Points to map, and how far two maps of them lie apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import Tensor

Apart: TypeAlias = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]


def lattice(size: tuple[int, int], count: int = 7) -> Tensor:
    """Points from corner to corner of an image, ``(3, count²)``: x, y, 1."""
    rows, columns = (torch.linspace(0, side - 1, count).double() for side in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)]).flatten(1)


def moved(matrix: Tensor, points: Tensor) -> Tensor:
    """Map points (x, y, 1) and divide."""
    there = matrix.double() @ points
    return there[..., :2, :] / there[..., 2:, :]


@pytest.fixture
def apart() -> Apart:
    """Measure how far two maps of an image of this size lie apart in pixels, ``(B,)``."""

    def measured(one: Tensor, other: Tensor, size: tuple[int, int]) -> Tensor:
        points = lattice(size)
        return (moved(one, points) - moved(other, points)).abs().amax((-1, -2))

    return measured
