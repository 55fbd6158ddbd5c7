"""Whether PyTorch computes in half precision by itself."""

from __future__ import annotations

import torch


def is_autocast(device: str) -> bool:
    """Whether autocast is on for a type of device, ``cpu`` or ``cuda``.

    ``torch.amp.is_autocast_available`` breaks the graphs of ``torch.compile``, up to PyTorch 2.11
    at least.
    """
    return device != "meta" and torch.is_autocast_enabled(device)
