"""Whole training steps, augmentation to optimizer, with the term against without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from counting import Cost, cost
from simsiam import SimSiam
from timing import side_by_side
from torch import nn

from augself_loss import AugSelfLoss
from augself_loss.recording.kornia import KorniaRecorder

Row = dict[str, Any]


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every network; one row each."""
    settings = [("resnet18", 32, 64)]
    if not quick:
        settings += [("resnet18", 96, 32), ("resnet50", 224, 8)]
    for network, size, batch in settings:
        yield _row(network, size, batch, quick=quick)


def _row(network: str, size: int, batch: int, *, quick: bool) -> Row:
    work = {"plain": _step(network, size, batch, term=False),
            "with": _step(network, size, batch, term=True)}  # fmt: skip
    times = side_by_side(work, budget=4 if quick else 170, rounds=30)
    plain, both = cost(work["plain"]), cost(work["with"])
    return {
        "network": network, "px": size, "batch": batch,
        "plain ms": 1e3 * times["plain"].median,
        "with ms": 1e3 * times["with"].median,
        "ratio": times["with"].over(times["plain"]),
        "ratio's quartiles": "{:.3f} to {:.3f}".format(*times["with"].quartiles(times["plain"])),
        "kernels": plain.kernels, "+ kernels": both.kernels - plain.kernels,
        "syncs": plain.syncs, "+ syncs": both.syncs - plain.syncs,
        "operations": _ratio(both, plain, "flops"), "bytes": _ratio(both, plain, "bytes"),
    }  # fmt: skip


def _ratio(both: Cost, plain: Cost, of: str) -> float:
    return float(getattr(both, of) / getattr(plain, of))


def _step(network: str, size: int, batch: int, *, term: bool) -> Callable[[], object]:
    torch.manual_seed(0)
    model = SimSiam(network)
    pipeline = K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    recorder = KorniaRecorder(pipeline)
    augself = AugSelfLoss(model.dim, encoders=recorder.encoders, check_values="never")
    modules: list[nn.Module] = [model, *([augself] if term else [])]
    optimizer = torch.optim.SGD([p for m in modules for p in m.parameters()], 0.05, 0.9)
    images = torch.rand(batch, 3, size, size)

    def run() -> None:
        optimizer.zero_grad()
        if term:
            (one, w1), (two, w2) = recorder(images), recorder(images)
        else:
            one, two = pipeline(images), pipeline(images)
        y1, y2 = model.backbone(one), model.backbone(two)
        loss = model.loss(model.projector(y1), model.projector(y2))
        if term:
            loss = loss + augself(y1, y2, w1, w2).total
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run
