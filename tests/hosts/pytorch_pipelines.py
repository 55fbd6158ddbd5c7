"""Pipelines of hosts without transforms of their own: torchvision's in workers, Kornia's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
from mystery import RandomMystery
from torchvision.transforms import v2

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

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


def unknown() -> v2.Compose:
    """Make a pipeline that no recorder can read."""
    pipeline = worker()
    pipeline.transforms = [*pipeline.transforms, RandomMystery()]
    return pipeline


def recording(pipelines: Sequence[Any], *, on_device: bool) -> MultiViewRecorder:
    """Record a pipeline per view: Kornia's on the device, or torchvision's in workers."""
    kind: Any = KorniaRecorder if on_device else TorchvisionRecorder
    return MultiViewRecorder([kind(pipeline) for pipeline in pipelines])


def each(pipelines: Sequence[Callable[[Any], Any]]) -> Callable[[Any], list[Any]]:
    """Make a view by each pipeline, and record nothing."""
    return lambda image: [pipeline(image) for pipeline in pipelines]
