"""What everything here augments: pictures on the device, by a pipeline's recorder."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from pipelines import blur_size, kornia_pipeline
from torch import Tensor

from accelerated.names import FUSED_COMPILED, KORNIA
from accelerated.target import Target
from augself_loss.recording.kornia import KorniaRecorder


def without_solarize(size: int) -> Any:
    """Make the usual pipeline without its last step, in which pixels may jump."""
    return K.AugmentationSequential(*list(kornia_pipeline(size).children())[:-1])


def turns(size: int) -> Any:
    """Make a pipeline of what the usual one lacks, in another order."""
    return K.AugmentationSequential(
        K.Resize((size + 4, size + 4)),
        K.RandomVerticalFlip(),
        K.RandomRotation90((0, 3)),
        K.CenterCrop((size, size)),
        K.RandomGaussianBlur((blur_size(size),) * 2, (0.1, 2.0), p=0.5),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.Normalize(mean=(0.5, 0.4, 0.3), std=(0.9, 1.0, 1.1)),
    )


def recorder(pipeline: Any, target: Target, way: str = KORNIA) -> KorniaRecorder:
    """Make the recorder of a pipeline: as Kornia applies it, fused, or fused and compiled.

    Raises:
        Skipped: compiled, in a run that does not compile.
    """
    if way == FUSED_COMPILED:
        target.need_compiler()
    if way == KORNIA:
        return KorniaRecorder(pipeline)
    return KorniaRecorder(pipeline, apply="fused", compile=way == FUSED_COMPILED)


def pictures(target: Target, batch: int, size: int) -> Tensor:
    """Draw images in [0, 1] on the device, ``(batch, 3, size, size)``, smooth as photographs."""
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(batch, 3, max(2, size // 8), max(2, size // 8), generator=generator)
    smooth = torch.nn.functional.interpolate(low, (size, size), mode="bicubic")
    noise = torch.randn(smooth.shape, generator=generator)
    return (smooth + 0.05 * noise).clamp(0, 1).to(target.device)
