"""Records as a pipeline of six types draws them."""

from __future__ import annotations

import torch

from augself_loss import Record

TYPES = ("crop", "color", "flip", "blur", "rotation", "solarize")


def record(batch: int, seed: int) -> Record:
    """Draw one view's record of a batch, all entries in their ranges."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(columns: int, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(batch, columns, generator=generator)

    sizes = uniform(2, 0.4, 1.0)
    return {
        "crop": torch.cat([uniform(2, 0, 1) * (1 - sizes), sizes], dim=1),
        "color": torch.cat([uniform(3, 0.6, 1.4), uniform(1, -0.1, 0.1)], dim=1),
        "flip": uniform(1, 0, 1).round(),
        "blur": uniform(1, 0.1, 2.0),
        "rotation": uniform(1, -0.5, 3.5).round(),
        "solarize": uniform(1, 0, 1),
        "grayscale": (uniform(1, 0, 1) < 0.2).float(),
    }
