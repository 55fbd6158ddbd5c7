"""Builds networks without touching anybody's random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

FORKED = ("cuda", "xpu")
"""Devices whose generators PyTorch puts back one by one."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the host's later draws what they were, on the CPU and on its default device.

    ``with torch.device("cuda")`` lets layers draw their weights there.
    """
    device = torch.get_default_device()
    if device.type in FORKED:
        with torch.random.fork_rng(devices=[device], device_type=device.type):
            yield
    else:
        with torch.random.fork_rng(devices=[]):
            yield
