"""A model, views and a step of a loop of one's own."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from augself_loss import AugSelf
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

WEIGHTS = {"crop": 1.0, "flip": 0.5}
BATCH = 6


def network() -> nn.Sequential:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(backbone, nn.Flatten(), nn.Linear(8, 4))


def on_device() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((8, 8)), K.RandomHorizontalFlip())
    )


def in_workers() -> TorchvisionRecorder:
    return TorchvisionRecorder(
        v2.Compose([v2.RandomResizedCrop(8), v2.RandomHorizontalFlip(), v2.Identity()])
    )


def images() -> Tensor:
    return torch.rand(BATCH, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def build(model: nn.Module | None = None, **options: Any) -> AugSelf:
    options = {"taps": "0", "hidden_dim": 16, **options}
    recorder = options.pop("recorder", None) or on_device()
    return AugSelf(network() if model is None else model, recorder, WEIGHTS, **options)


def base_loss(model: nn.Module, views: list[Tensor]) -> Tensor:
    outs = [model(view) for view in views]
    return -nn.functional.cosine_similarity(outs[0], outs[1]).mean()


def step(augself: AugSelf, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    loss = base_loss(model, augself.views(batch))
    return loss, augself.term()
