"""Says which of Kornia's augmentations have a fused form."""

from __future__ import annotations

import kornia.augmentation as K  # noqa: N812
from torch import nn

from augself_loss.recording.kornia.fused.blur import Blur
from augself_loss.recording.kornia.fused.colour import Grey, Jitter
from augself_loss.recording.kornia.fused.crop import Crop
from augself_loss.recording.kornia.fused.operation import Operation
from augself_loss.recording.kornia.fused.simple import (
    HorizontalFlip,
    MiddleCrop,
    Normalize,
    Sized,
    Solarize,
    Turn,
    VerticalFlip,
)
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

FORMS: dict[type[nn.Module], Operation] = {
    K.RandomResizedCrop: Crop(),
    K.CenterCrop: MiddleCrop(),
    K.Resize: Sized(),
    K.RandomHorizontalFlip: HorizontalFlip(),
    K.RandomVerticalFlip: VerticalFlip(),
    K.RandomRotation90: Turn(),
    K.ColorJitter: Jitter(),
    K.RandomGrayscale: Grey(),
    K.RandomGaussianBlur: Blur(),
    K.RandomSolarize: Solarize(),
    K.Normalize: Normalize(),
}


def form_of(module: nn.Module) -> Operation | None:
    """Return the fused form of a module, if its class has one: a subclass may do otherwise."""
    return None if ONLY_APPLIED_ROWS else FORMS.get(type(module))
