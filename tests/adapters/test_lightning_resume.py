"""Checkpoints, resuming, and two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from lightly.transforms import SimSiamTransform
from lightly_host import LightlyHost
from lightly_modules import FEATURES, SIZE, SimSiam
from lightning.pytorch.callbacks import ModelCheckpoint
from pictures import Losses, Pictures, loader, same, seed, trainer, weights
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import functional

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import AugSelfMixin, KeepRandomState, add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

pytestmark = pytest.mark.host


def workers() -> tuple[Any, DataLoader[Any]]:
    """Records made in DataLoader workers by Lightly's transform."""
    recorder = LightlyRecorder(SimSiamTransform(input_size=SIZE))
    return recorder, loader(recorder, num_workers=2)


def device() -> tuple[Any, DataLoader[Any]]:
    """Records made on the device by Kornia."""
    jitter = K.ColorJitter(0.4, 0.4, 0.4, 0.1)
    recorder = MultiViewRecorder(KorniaRecorder(K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)), K.RandomHorizontalFlip(), jitter
    )))  # fmt: skip
    pictures = [
        (functional.to_image(image).float() / 255, label)
        for image, label in map(Pictures().__getitem__, range(32))
    ]
    return recorder, DataLoader(pictures, batch_size=8, shuffle=True)  # type: ignore[arg-type]


def prepared(source: Any) -> tuple[Any, DataLoader[Any]]:
    seed(0)
    recorder, data = source()
    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=recorder.encoders)
    on_device = source is device
    return add_augself(SimSiam(), augself, recorder, taps="backbone", on_device=on_device), data


def run(source: Any, folder: Path, epochs: int, resumed: Path | None = None) -> tuple[Any, Any]:
    module, data = prepared(source)
    saved = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    kept = Losses()
    host = trainer(kept, KeepRandomState(), saved, max_epochs=epochs, enable_checkpointing=True)
    seed(5 if resumed is None else 77)
    host.fit(module, data, ckpt_path=resumed)
    return kept.losses, module


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.parametrize("source", [workers, device])
def test_a_resumed_run_is_the_uninterrupted_one(source: Any, tmp_path: Path) -> None:
    losses, whole = run(source, tmp_path / "whole", 3)
    run(source, tmp_path / "first", 1)
    rest, resumed = run(source, tmp_path / "rest", 3, tmp_path / "first" / "epoch=0.ckpt")
    assert len(losses) == 12
    assert rest == losses[4:]
    assert same(weights(whole, without="-"), weights(resumed, without="-"))


def test_checkpoints_hold_the_heads_and_load_without_pickles(tmp_path: Path) -> None:
    _, module = run(device, tmp_path, 1)
    saved = torch.load(tmp_path / "epoch=0.ckpt", weights_only=True)
    heads = {k: v for k, v in saved["state_dict"].items() if k.startswith("augself.")}
    assert heads.keys() == {f"augself.{name}" for name in module.augself.state_dict()}
    fresh, _ = prepared(device)
    fresh.load_state_dict(saved["state_dict"])
    assert same(weights(fresh, without="-"), weights(module, without="-"))


class Own(AugSelfMixin, SimSiam):
    """Adds the term in its constructor, so that Lightning can rebuild it."""

    def __init__(self, hidden_dim: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters()
        recorder = LightlyRecorder(SimSiamTransform(input_size=SIZE))
        augself = AugSelfLoss(FEATURES, hidden_dim=hidden_dim, encoders=recorder.encoders)
        self.add_augself(augself, recorder, taps="backbone")


def test_load_from_checkpoint(tmp_path: Path) -> None:
    host, module = trainer(max_epochs=1, max_steps=1), Own(hidden_dim=24)
    host.fit(module, loader(LightlyRecorder(SimSiamTransform(input_size=SIZE))))
    host.save_checkpoint(tmp_path / "own.ckpt")
    again = Own.load_from_checkpoint(tmp_path / "own.ckpt")
    assert same(weights(again, without="-"), weights(module, without="-"))


@pytest.mark.processes
def test_two_processes_resume(tmp_path: Path) -> None:
    host, method = LightlyHost(), "SimSiam"
    whole = host.run(tmp_path / "whole", method, epochs=2, processes=2)
    first = host.run(tmp_path / "parts", method, epochs=1, processes=2)
    rest = host.run(tmp_path / "parts", method, epochs=2, processes=2, resume=True)
    for rank in (0, 1):
        assert first[rank].base + rest[rank].base == whole[rank].base
        assert same(rest[rank].final, whole[rank].final)
