"""What the neighbours of AugSelf cost on given features, forward and backward, and in weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from counting import peak_allocated
from sampled import record
from timing import side_by_side
from torch import Tensor, nn

from augself_loss import AugSelfLoss, Record
from augself_loss.encoders import default_encoders
from augself_loss.objectives import CARE, ESSL, STL, Condition, ConditionedProjector, EquiMod, mlp

Row = dict[str, Any]
BATCH = 256
NETWORKS = {"ResNet-18": 512, "ResNet-50": 2048}
"""Network → width of its features."""
READ = ("crop", "color", "flip", "grayscale", "blur")
ENCODERS = [encoder for name, encoder in default_encoders().items() if name in READ]


class Work(NamedTuple):
    """One way's networks, and what of them stood there before.

    Args:
        module: all networks; what is measured.
        total: makes a scalar of two views' features, their records, and a third view's features.
        third: rows of the third view for each image; the backbone runs on so many more.
        third_of: what they are of.
        before: parameters that the base method has anyway.
    """

    module: nn.Module
    total: Callable[[list[Tensor], list[Record], Tensor], Tensor]
    third: int = 0
    third_of: str = "none"
    before: int = 0


def _term(module: Any, third: int = 0, third_of: str = "none") -> Work:
    def total(features: list[Tensor], records: list[Record], beside: Tensor) -> Tensor:
        more = {"third": beside} if third else {}
        made: Tensor = module(features, records, **more).total
        return made

    return Work(module, total, third, third_of)


def _projected(project: Any, dim: int, *, sees: bool) -> Work:
    def total(features: list[Tensor], records: list[Record], _third: Tensor) -> Tensor:
        pairs = zip(features, records, strict=True)
        made = [project(f, r) if sees else project(f) for f, r in pairs]
        return torch.stack([z.square().mean() for z in made]).sum()

    plain = sum(p.numel() for p in mlp([dim, dim, 128], last="bias").parameters())
    return Work(project, total, before=plain)


def _cassle(dim: int) -> Work:
    condition = Condition(ENCODERS, [name for name in READ if name != "flip"])
    inputs = ConditionedProjector.input_dim(dim, condition)
    project = mlp([inputs, dim, 128], last="bias")
    return _projected(ConditionedProjector(project, condition, dim), dim, sees=True)


WAYS: dict[str, Callable[[int], Work]] = {
    "AugSelf, crop and color": lambda d: _term(
        AugSelfLoss(d, {"crop": 1.0, "color": 1.0}, check_values="never")
    ),
    "a projector alone": lambda d: _projected(mlp([d, d, 128], last="bias"), d, sees=False),
    "CASSLE, that projector": _cassle,
    "EquiMod": lambda d: _term(
        EquiMod(d, EquiMod.describe(ENCODERS)), 1, "one, of the plain image"
    ),
    "E-SSL": lambda d: _term(ESSL(d), 4, "four, of a small view"),
    "CARE, groups of 32": lambda _: _term(CARE(group=32, shared=())),
    "STL, rank 16": lambda d: _term(STL(d, rank=16)),
    "STL, rank 64": lambda d: _term(STL(d, rank=64)),
    "STL, full": lambda d: _term(STL(d)),
}
"""Way → what it is made of for features of width D."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every way, of both networks; one row each."""
    batch = 64 if quick else BATCH
    for network, dim in NETWORKS.items():
        for way, build in WAYS.items():
            with torch.device("meta"):
                planned = build(dim)
            weights = sum(p.numel() for p in planned.module.parameters())
            row = {
                "network": network, "batch": batch, "way": way,
                "weights added, millions": (weights - planned.before) / 1e6,
                "forward passes more": planned.third_of,
            }  # fmt: skip
            needed = _needed(way, weights, batch, dim)
            if needed > _memory() / 3:
                yield {**row, "ms": f"not run: {needed / 2**30:.0f} GiB", "MB": needed / 2**20}
                continue
            work = build(dim)
            run = _step(work, batch, dim)
            time = side_by_side({way: run}, budget=1 if quick else 4, warm_up=1)[way]
            yield {**row, "ms": 1e3 * time.median, "MB": peak_allocated(run, work.module) / 2**20}
            del work, run


def _needed(way: str, weights: int, batch: int, dim: int) -> int:
    """Bytes that a step needs at least: weights with gradients, and every row's own matrix."""
    matrices = 2 * batch * dim * dim if way == "STL, full" else 0
    return 4 * (2 * weights + 2 * matrices)


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _step(work: Work, batch: int, dim: int) -> Callable[[], Tensor]:
    features = [torch.randn(batch, dim, requires_grad=True) for _ in range(2)]
    third = torch.randn(max(work.third, 1) * batch, dim, requires_grad=True)
    records = [_partners(record(batch, seed)) for seed in (1, 2)]
    trained = [*work.module.parameters(), *features, third]

    def run() -> Tensor:
        for tensor in trained:
            tensor.grad = None
        total = work.total(features, records, third)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    return run


def _partners(drawn: Record) -> Record:
    """Let images 2k and 2k + 1 share their draws, as STL wants them."""
    batch = len(drawn["crop"])
    order = torch.arange(4.0).expand(batch, 4)
    return {
        name: entry[0::2].repeat_interleave(2, dim=0)
        for name, entry in {**drawn, "color_order": order}.items()
    }
