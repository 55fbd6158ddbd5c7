"""Brings many small tensors to a device in one copy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def moved(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Copy the host's tensors to a device without waiting for it.

    Args:
        tensors: of any dtypes and shapes; those that lie elsewhere than on the host stay there.
        device: where to.

    Returns:
        The tensors in the order given; the copies share memory.
    """
    ours = [i for i, t in enumerate(tensors) if t.device.type == "cpu"]
    if device.type == "cpu" or not ours:
        return list(tensors)
    # Widest first, so that each begins where its dtype may.
    ours.sort(key=lambda i: -tensors[i].element_size())
    parts = [tensors[i].contiguous().flatten().view(torch.uint8) for i in ours]
    block = torch.cat(parts).to(device, non_blocking=True)
    found = list(tensors)
    for i, part in zip(ours, torch.split(block, [len(part) for part in parts]), strict=True):
        found[i] = part.view(tensors[i].dtype).view(tensors[i].shape)
    return found
