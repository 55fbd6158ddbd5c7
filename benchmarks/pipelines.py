"""One pipeline in each library: BYOL's six augmentations, a size kept."""

from __future__ import annotations

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
from torchvision.transforms import v2

STRENGTHS = (0.4, 0.4, 0.4, 0.1)
SIGMA = (0.1, 2.0)
LEAST = (0.2, 1.0)


def blur_size(size: int) -> int:
    """Choose the blur's kernel, a tenth of the image as SimCLR has it, odd."""
    return size // 20 * 2 + 1


def kornia_pipeline(size: int) -> K.AugmentationSequential:
    """Make Kornia's, for a batch on its device."""
    kernel = (blur_size(size),) * 2
    return K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=LEAST),
        K.RandomHorizontalFlip(),
        K.ColorJitter(*STRENGTHS, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.RandomGaussianBlur(kernel, SIGMA, p=0.5),
        K.RandomSolarize(0.1, 0.0, p=0.2),
    )


def torchvision_pipeline(size: int) -> v2.Compose:
    """Make torchvision's, for one image, or for a batch that shares one draw."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=LEAST),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*STRENGTHS)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([v2.GaussianBlur(blur_size(size), SIGMA)], p=0.5),
            v2.RandomSolarize(0.5, p=0.2),
        ]
    )
