"""A framework of a laboratory's own: a task knows its loss, a trainer runs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Task(nn.Module):
    """What is trained; users subclass it."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[dict[str, float]] = []

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        raise NotImplementedError

    def build_optimizer(self) -> torch.optim.Optimizer:
        raise NotImplementedError

    def log(self, values: dict[str, Tensor]) -> None:
        self.logged.append({name: value.item() for name, value in values.items()})


def fit(task: Task, batches: Iterable[dict[str, Any]]) -> list[float]:
    """Train for one epoch; return the losses."""
    optimizer, losses = task.build_optimizer(), []
    for batch in batches:
        optimizer.zero_grad()
        loss = task.compute_loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class SimSiam(Task):
    """What a user wrote for the framework, before there was an adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU())
        self.projector = nn.Linear(16, 8)
        self.predictor = nn.Linear(8, 8)

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        (first, second), _ = batch["views"], batch["label"]
        z1, z2 = self.projector(self.backbone(first)), self.projector(self.backbone(second))
        similarity = nn.functional.cosine_similarity
        return -similarity(self.predictor(z1), z2.detach()).mean()

    def build_optimizer(self) -> torch.optim.Optimizer:
        modules = nn.ModuleList([self.backbone, self.projector, self.predictor])
        return torch.optim.SGD(modules.parameters(), lr=0.05)
