"""Pipelines of hosts without transforms of their own: torchvision's in workers, Kornia's."""

from __future__ import annotations

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
from torchvision.transforms import v2

SIZE, SMALL = 16, 10
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def worker(size: int = SIZE) -> v2.Compose:
    jitter = v2.RandomApply([v2.ColorJitter(**JITTER)], p=0.8)
    return v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), jitter])


def crops(*, many: bool) -> list[v2.Compose]:
    """List a pipeline per view: two large ones, and small ones if there shall be many."""
    large, small = worker(), worker(SMALL)
    return [large, large, small, small] if many else [large, large]


def device() -> K.AugmentationSequential:
    jitter = K.ColorJitter(**JITTER, p=0.8)
    return K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)), K.RandomHorizontalFlip(), jitter
    )
