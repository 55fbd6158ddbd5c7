"""The device that is measured, and what only some devices can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

SyncMode = Literal["default", "warn", "error"]


class Skipped(Exception):  # noqa: N818 - nothing went wrong
    """Something that this device, or this run, cannot do."""


@dataclass(frozen=True)
class Target:
    """What is measured.

    Args:
        device: where everything runs.
        tiny: a few small images, to see that all of it runs.
        compiles: whether ``torch.compile`` is measured too.
    """

    device: torch.device
    tiny: bool = False
    compiles: bool = True

    @property
    def is_cuda(self) -> bool:
        """Whether it has CUDA's streams, graphs and counters; ROCm's GPUs have them too."""
        return self.device.type == "cuda"

    def need_cuda(self) -> None:
        """Leave out what only CUDA can do.

        Raises:
            Skipped: another device.
        """
        if not self.is_cuda:
            raise Skipped("needs CUDA")

    def need_compiler(self) -> None:
        """Leave out what ``torch.compile`` makes, where it was not asked for.

        Raises:
            Skipped: the run was told not to compile.
        """
        if not self.compiles:
            raise Skipped("--no-compile")

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def allocated(self) -> int:
        """Return the bytes that live on the device, and count their peak anew.

        Raises:
            Skipped: a device that does not count them.
        """
        self.need_cuda()
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def peak(self) -> int:
        """Return the most bytes that lived at once since :meth:`allocated`.

        Raises:
            Skipped: a device that does not count them.
        """
        self.need_cuda()
        return torch.cuda.max_memory_allocated(self.device)


def target_of(name: str, *, tiny: bool, compiles: bool) -> Target:
    """Find the device of a name.

    Args:
        name: ``cuda``, ``cuda:1`` or ``cpu``.
        tiny: see :class:`Target`.
        compiles: see :class:`Target`.

    Raises:
        ValueError: a device that is not there.
    """
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("expected a CUDA device, found none: --device cpu --tiny needs none")
        # With its number, as tensors have it.
        device = torch.device("cuda", torch.cuda.current_device() if device.index is None else
                              device.index)  # fmt: skip
        torch.cuda.set_device(device)
    return Target(device, tiny, compiles)


@contextmanager
def sync_mode(mode: SyncMode) -> Iterator[None]:
    """Have PyTorch tell where the host waits for a CUDA device, by a warning or an error."""
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
