"""What a training step of every arm takes, measured in turn, so that all see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch.optim import SGD

from transfer.config import Config
from transfer.costs import Cost
from transfer.pretraining import build

WARM = 2
"""Rounds that are not counted."""


@dataclass
class Standing:
    """What a method asks its trainer in a step, where there is none."""

    global_step: int = 0
    global_rank: int = 0
    estimated_stepping_batches: int = 1000


def measure_steps(configs: Sequence[Config], *, rounds: int = 20) -> list[Cost]:
    """Train some steps of every run in turn, on noise.

    Args:
        configs: one per arm; the first is what the others are held against.
        rounds: steps of each that count.
    """
    made = [_step(config) for config in configs]
    spent: list[list[float]] = [[] for _ in configs]
    for _ in range(WARM + rounds):
        for (step, _), seconds in zip(made, spent, strict=True):
            began = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - began)
    counted = [seconds[WARM:] for seconds in spent]
    return [
        Cost(1000 * median(own), median(o / f for o, f in zip(own, counted[0], strict=True)), size)
        for own, (_, size) in zip(counted, made, strict=True)
    ]


def _step(config: Config) -> tuple[Callable[[], None], int]:
    """Build a method and what trains it for a step; and say how many weights that trains."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    method: Any = build(config, classes=2).to(device)
    method.trainer = standing = Standing()
    method.log = method.log_dict = _silent
    shape = (config.batch, 3, config.picture, config.picture)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    labels = torch.arange(config.batch, device=device) % 2
    weights = [p for p in method.parameters() if p.requires_grad]
    optimizer = SGD(weights, config.lr, momentum=0.9, weight_decay=config.weight_decay)

    def step() -> None:
        batch = method.on_after_batch_transfer([pictures, labels], 0)
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16-mixed"):
            loss = method.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        standing.global_step += 1
        if device == "cuda":
            torch.cuda.synchronize()

    return step, sum(p.numel() for p in weights)


def _silent(*_: Any, **__: Any) -> None:
    """Log nothing."""
