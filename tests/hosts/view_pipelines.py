"""Recorders of a strong view, a weak one and one on the device; and images."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

IMAGES = torch.randint(9, 201, (4, 3, 30, 34), generator=torch.Generator().manual_seed(0)).byte()


def strong(*more: Any) -> TorchvisionRecorder:
    return TorchvisionRecorder(
        v1.Compose(
            [
                v1.RandomResizedCrop(16),
                v1.RandomHorizontalFlip(),
                v1.RandomApply([v1.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.7),
                v1.RandomApply([v1.GaussianBlur(3, (0.1, 2.0))]),
                *more,
            ]
        )
    )


def weak() -> TorchvisionRecorder:
    steps = [v2.RandomCrop(16), v2.GaussianBlur(3, (0.5, 3.0)), v2.RandomSolarize(128, p=0.5)]
    return TorchvisionRecorder(v2.Compose(steps))


def kornia(*steps: nn.Module) -> KorniaRecorder:
    crop = K.RandomResizedCrop((16, 16), scale=(0.2, 1.0))
    return KorniaRecorder(K.AugmentationSequential(*(steps or (crop, K.RandomHorizontalFlip()))))
