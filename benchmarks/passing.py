"""What a record costs the host on its way: Python frames, tensor operations, the targets' time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import lightning.pytorch as pl
import torch
from counting import frames, operations
from term import target_time
from timing import side_by_side
from torch import Tensor, nn

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightning import add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

Row = dict[str, Any]
DIM, SIDE, BATCH = 64, 32, 16


def rows(*, quick: bool) -> Iterator[Row]:
    """Count a plain step and a Lightning step, and what each is made of; one row each."""
    pipeline = _pipeline()
    recorder = KorniaRecorder(pipeline)
    augself = _term(recorder)
    images, features = torch.rand(BATCH, 3, SIDE, SIDE), torch.randn(2, BATCH, DIM).unbind()
    records = [recorder(images)[1] for _ in range(2)]

    def plain() -> None:
        augself(*features, *[recorder(images)[1] for _ in range(2)])

    def term() -> None:
        augself(*features, *records)

    def alone() -> None:
        for _ in range(2):
            pipeline(images)

    without = operations(_seeded(alone))
    heads = operations(lambda: augself.heads(features, [(0, 1), (1, 0)]))
    yield _row("plain: two records and the term", plain, without)
    times = {
        "targets ms": target_time(augself, records),
        "term ms": 1e3 * side_by_side({"": term}, budget=1 if quick else 8, rounds=999)[""].median,
    }
    yield {**_row("of it the term", term, 0), "of them the heads'": heads, **times}
    for name, on_device in (("on the device", True), ("by workers", False)):
        run, host = _lightning(images, on_device=on_device), _lightning_alone(images)
        beside = operations(host) + (without if on_device else 0)
        yield _row(f"Lightning, augmented {name}", run, beside)


def _row(step: str, run: Callable[[], object], beside: int) -> Row:
    """Count a step, less the operations that it would ask for without the library."""
    run = _seeded(run)
    return {"step": step, "frames": frames(run), "operations": operations(run) - beside}


def _seeded(run: Callable[[], object]) -> Callable[[], object]:
    def seeded() -> object:
        torch.manual_seed(0)
        return run()

    return seeded


def _term(recorder: KorniaRecorder | MultiViewRecorder) -> AugSelfLoss:
    weights = dict.fromkeys(("crop", "color", "flip", "blur"), 1.0)
    return AugSelfLoss(DIM, weights, encoders=recorder.encoders, check_values="never")


def _pipeline() -> nn.Module:
    pipeline: nn.Module = K.AugmentationSequential(
        K.RandomResizedCrop((SIDE, SIDE), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
    )
    return pipeline


class _Trainer:
    """As much of a trainer as a step asks of it."""

    training = True


class _Host(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, DIM))

    def training_step(self, batch: Any, _: int) -> Tensor:
        one, two = batch
        loss: Tensor = (self.backbone(one) - self.backbone(two)).square().mean()
        return loss


def _lightning(images: Tensor, *, on_device: bool) -> Callable[[], object]:
    """Prepare a step of a module with the term, from images or from views that workers made."""
    recorder = MultiViewRecorder(KorniaRecorder(_pipeline()))
    host: Any = add_augself(
        _Host(), _term(recorder), recorder,
        taps="backbone", images=None, log=None, on_device=on_device,
    )  # fmt: skip
    host._trainer = _Trainer()
    made = recorder(images)

    def run() -> object:
        return host.training_step(host.on_after_batch_transfer(images, 0) if on_device else made, 0)

    return run


def _lightning_alone(images: Tensor) -> Callable[[], object]:
    host = _Host()
    return lambda: host.training_step([images, images], 0)
