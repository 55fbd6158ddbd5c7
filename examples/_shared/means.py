"""Means of what a training run logged, over its first epoch and over its last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor


class Means:
    """Collects named values step by step, without waiting for the device."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, list[Tensor]]] = []

    def begin_epoch(self) -> None:
        """Begin an epoch."""
        self.epochs.append(defaultdict(list))

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add a step's values, scalars by name."""
        for name, value in values.items():
            self.epochs[-1][name].append(value.detach().flatten())

    def show(self) -> None:
        """Print the table."""
        rows = Table("mean over", "first epoch", "last epoch")
        for name in self.epochs[0]:
            means = (torch.cat(self.epochs[i][name]).mean() for i in (0, -1))
            rows.add_row(name, *(f"{mean:.4f}" for mean in means))
        Console().print(rows)
