"""stable-pretraining's modules with the term added, as its users add it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from stable_pretraining.data import transforms
from stable_pretraining_modules import FEATURES, batches, build, manage, trainer, two_views

from augself_loss import AugSelfLoss
from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder, add_augself

RECORDER = StablePretrainingRecorder(two_views())
SGD = {"type": "SGD", "lr": 0.05}
CONSTANT = {"scheduler": {"type": "ConstantLR"}}


def recorded(transform: Any, **options: Any) -> StablePretrainingRecorder:
    """Record two views of one pipeline."""
    return StablePretrainingRecorder(
        transforms.MultiViewTransform([transform, transform]), **options
    )


def term(recorder: Any = RECORDER, **options: Any) -> AugSelfLoss:
    return AugSelfLoss(FEATURES, hidden_dim=8, encoders=recorder.encoders, **options)


def with_term(method: str = "SimCLR", optim: Any = None, **options: Any) -> Any:
    return add_augself(build(method, optim), term(), RECORDER, **options)


def train(module: Any, folder: Path, data: Any = None, **options: Any) -> None:
    manage(trainer(**options), module, batches(RECORDER) if data is None else data, folder)


def loaded(recorder: StablePretrainingRecorder) -> dict[str, Any]:
    torch.manual_seed(0)
    batch: dict[str, Any] = next(iter(batches(recorder)))
    return {**batch, "batch_idx": 0}
