"""A model, views and objectives of a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss
from augself_loss.objectives import (
    CARE,
    ESSL,
    STL,
    EquiMod,
    Objectives,
)
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

DIM, BATCH = 8, 6


SMALL: dict[str, Any] = {"hidden_dim": 16, "embedding_dim": 4}


def pipeline() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((8, 8)), K.RandomHorizontalFlip())
    )


def recorder(third: int = 0) -> MultiViewRecorder:
    view = pipeline()
    small = [KorniaRecorder(K.Resize((third, third)))] if third else []
    return MultiViewRecorder([view, view, *small])


def network(projector: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, DIM, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(backbone, projector or nn.Linear(DIM, 4))


def images() -> Tensor:
    return torch.rand(BATCH, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def equimod() -> EquiMod:
    return EquiMod(DIM, EquiMod.describe(recorder().encoders), **SMALL)


def augself() -> AugSelfLoss:
    return AugSelfLoss(DIM, {"crop": 1.0}, hidden_dim=8, encoders=recorder().encoders)


OBJECTIVES: dict[str, tuple[Callable[[], Any], int]] = {
    "EquiMod": (equimod, 8),
    "E-SSL": (lambda: ESSL(DIM, hidden_dims=[16]), 4),
    "STL": (lambda: STL(DIM, transformation_dim=8, shared=(), **SMALL), 0),
    "CARE": (lambda: CARE(shared=()), 0),
    "AugSelf": (augself, 0),
    "both": (lambda: Objectives({"augself": augself(), "equimod": equimod()}), 8),
}
"""Each with the side of its third view."""
