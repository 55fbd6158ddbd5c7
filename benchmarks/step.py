"""Whole training steps, augmentation to optimizer, with the term against without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
import torchvision
from counting import Cost, cost
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
    backbone: Any = getattr(torchvision.models, network)()
    dim = backbone.fc.in_features
    backbone.fc = nn.Identity()
    projector = nn.Sequential(
        nn.Linear(dim, 2048), nn.BatchNorm1d(2048), nn.ReLU(inplace=True), nn.Linear(2048, 2048)
    )
    predictor = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(inplace=True), nn.Linear(512, 2048))
    pipeline = K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    recorder = KorniaRecorder(pipeline)
    augself = AugSelfLoss(dim, encoders=recorder.encoders, check_values="never")
    modules: list[nn.Module] = [backbone, projector, predictor, *([augself] if term else [])]
    optimizer = torch.optim.SGD([p for m in modules for p in m.parameters()], 0.05, 0.9)
    images = torch.rand(batch, 3, size, size)
    base = nn.CosineSimilarity()

    def run() -> None:
        optimizer.zero_grad()
        if term:
            (one, w1), (two, w2) = recorder(images), recorder(images)
        else:
            one, two = pipeline(images), pipeline(images)
        y1, y2 = backbone(one), backbone(two)
        z1, z2 = projector(y1), projector(y2)
        loss = -base(predictor(z1), z2.detach()).mean() - base(predictor(z2), z1.detach()).mean()
        if term:
            loss = loss + augself(y1, y2, w1, w2).total
        loss.backward()
        optimizer.step()

    return run
