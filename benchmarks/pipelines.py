"""One pipeline in each library: BYOL's six augmentations, a size kept."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
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


def torchvision_pipeline(size: int, *tail: Any) -> v2.Compose:
    """Make torchvision's, for one image, or for a batch that shares one draw."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=LEAST),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*STRENGTHS)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([v2.GaussianBlur(blur_size(size), SIGMA)], p=0.5),
            v2.RandomSolarize(128 if tail else 0.5, p=0.2),
            *tail,
        ]
    )


def torchvision_image_pipeline(size: int) -> v2.Compose:
    """Make torchvision's for a PIL image, which becomes a tensor at last."""
    return torchvision_pipeline(size, v2.ToImage(), v2.ToDtype(torch.float32, scale=True))


def albumentations_pipeline(size: int) -> Any:
    """Make albumentations', for one image of bytes, which becomes a tensor at last."""
    import albumentations as A  # noqa: N812, PLC0415 - an optional extra

    kernel = (blur_size(size),) * 2
    return A.Compose(
        [
            A.RandomResizedCrop((size, size), scale=LEAST),
            A.HorizontalFlip(),
            A.ColorJitter(*STRENGTHS, p=0.8),
            A.ToGray(p=0.2),
            A.GaussianBlur(blur_limit=kernel, sigma_limit=SIGMA, p=0.5),
            A.Solarize(threshold_range=(0.4, 0.6), p=0.2),
            A.ToFloat(max_value=255),
            A.ToTensorV2(),
        ]
    )
