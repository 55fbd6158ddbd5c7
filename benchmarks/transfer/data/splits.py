"""Seeded splits that keep the share of every class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from transfer.data.sets import Fold


def per_class(labels: Tensor, rows: Tensor, part: int | float, seed: int) -> tuple[Tensor, Tensor]:
    """Draw rows of every class.

    Args:
        labels: class of every row of the set, int64 ``(N,)``.
        rows: the rows to draw from, int64.
        part: how many of each class, or which fraction of it; of two rows or more one is left.
        seed: of the draw.

    Returns:
        The rows drawn and the others, both ascending.
    """
    # Its stream is frozen for good, so a split is the same with every version of NumPy.
    random = np.random.RandomState(seed)
    drawn = []
    for label in np.unique(labels[rows].numpy()):
        members = rows[labels[rows] == int(label)].numpy()
        count = part if isinstance(part, int) else max(1, round(part * len(members)))
        drawn.append(random.permutation(members)[: min(count, len(members) - 1)])
    chosen = torch.from_numpy(np.sort(np.concatenate(drawn)))
    return chosen, rows[~torch.isin(rows, chosen)].sort().values


def three_way(labels: Tensor, rows: Tensor, seed: int = 0) -> Fold:
    """Split rows 60 / 20 / 20 % in each class, for pictures that came without a split."""
    test, rest = per_class(labels, rows, 0.2, seed)
    val, train = per_class(labels, rest, 0.25, seed)
    return Fold(train, val, test)
