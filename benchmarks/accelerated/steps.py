"""Whole training steps, augmentation to optimizer, in a loop of one's own, with AugSelf or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pipelines import kornia_pipeline
from simsiam import SimSiam
from torch import Tensor

from accelerated.attempts import Row
from accelerated.compare import compare
from accelerated.names import FUSED, FUSED_COMPILED, KORNIA, with_augself
from accelerated.pipelines import pictures, recorder
from accelerated.target import Target
from augself_loss import AugSelf

TITLE = "Whole steps: two views, SimSiam, SGD; bf16 autocast, channels_last"


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List the networks that are trained."""
    sizes = [("resnet50", 224, 128), ("resnet18", 96, 256)]
    if target.tiny:
        sizes = [("resnet18", 32, 4)]
    return {
        f"{network}, {size} px, batch {batch}": partial(_case, target, network, size, batch)
        for network, size, batch in sizes
    }


def _case(target: Target, network: str, size: int, batch: int) -> list[Row]:
    images = pictures(target, batch, size).contiguous(memory_format=torch.channels_last)

    def step(way: str, term: bool) -> Callable[[], object]:
        return step_of(target, SimSiam(network), size, images, way=way, term=term)

    ways = {
        KORNIA: lambda: step(KORNIA, False),
        with_augself(KORNIA): lambda: step(KORNIA, True),
        FUSED: lambda: step(FUSED, False),
        with_augself(FUSED): lambda: step(FUSED, True),
        with_augself(FUSED_COMPILED): lambda: step(FUSED_COMPILED, True),
    }
    done = compare(ways, target, budget=12, memory=True)

    def columns(name: str) -> Row:
        return {"images / s": batch / done.per_call(name), **done.against(name, KORNIA)}

    return done.rows(columns)


def step_of(
    target: Target, model: SimSiam, size: int, images: Tensor, *, way: str, term: bool
) -> Callable[[], object]:
    """Prepare one step.

    Args:
        target: the device.
        model: what is trained; it is moved there.
        size: of the views, in pixels.
        images: the batch, on the device.
        way: how views are made: ``Kornia``, ``fused`` or ``fused, compiled``.
        term: with AugSelf. Without it, ``Kornia`` is the pipeline alone.
    """
    model.to(target.device).to(memory_format=torch.channels_last)
    augment: Any = kornia_pipeline(size)
    if term or way != KORNIA:
        augment = recorder(augment, target, way)
    weights = {"crop": 1.0, "color": 1.0}
    options: Any = {"feature_dim": model.dim}
    augself = AugSelf(model, augment, weights, taps="backbone", **options) if term else None
    heads = [] if augself is None else list(augself.parameters())
    optimizer = torch.optim.SGD([*model.parameters(), *heads], 0.05, 0.9)

    def views() -> list[Tensor]:
        if augself is not None:
            return augself.views(images)
        made: list[Any] = [augment(images) for _ in range(2)]
        return made if way == KORNIA else [view for view, _ in made]

    def run() -> None:
        optimizer.zero_grad()
        one, two = views()
        with torch.autocast(target.device.type, torch.bfloat16):
            loss = model.loss(model(one), model(two))
            if augself is not None:
                loss = loss + augself.term()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run
