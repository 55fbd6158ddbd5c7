"""Marks images by their bits, so that they are known again wherever they lie.

Neither an image's place in a batch counts, nor the tensor that holds it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes per value → the integers that show its bits."""

CHUNK = 2**24
"""Values whose marks are computed at a time, each in 64 bits."""


@dataclass
class Images:
    """Images that a module was given, and their marks, worked out once.

    Args:
        images: ``(N, …)``.
    """

    images: Tensor

    @functools.cached_property
    def marks(self) -> Tensor:
        """Every image's mark, see :func:`marks`."""
        return marks(self.images)


def marks(images: Tensor) -> Tensor:
    """Mark every image by its bits, ``(N,)`` int64: equal images have equal marks.

    Sums of integers are exact in every order, so a mark does not depend on the batch around it,
    nor on the memory format, nor on how an image is folded.

    Args:
        images: ``(N, …)``, of any dtype.
    """
    rows = max(1, CHUNK * len(images) // max(1, images.numel()))
    return torch.cat([_marked(part.flatten(1)) for part in torch.split(images.detach(), rows)])


def _marked(pixels: Tensor) -> Tensor:
    if pixels.is_floating_point():
        pixels = pixels + 0.0  # −0 equals 0
    elif pixels.dtype == torch.bool:
        pixels = pixels.byte()
    pixels = pixels.contiguous()
    bits = pixels.view(BITS[pixels.element_size()]).long()
    # Round numbers end in zeros, which would take most of a factor with them.
    bits = bits ^ (bits >> 16)
    return (bits * _factors(bits.shape[1], bits.device)).sum(dim=1)  # int64 wraps around


@functools.lru_cache(maxsize=16)  # images of many sizes would fill the device
def _factors(count: int, device: torch.device) -> Tensor:
    """Draw odd factors, the same ones in every process."""
    generator = torch.Generator("cpu").manual_seed(0)
    drawn = torch.randint(-(2**62), 2**62, (count,), generator=generator, device="cpu")
    return drawn.to(device) | 1
