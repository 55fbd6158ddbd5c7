"""stable-pretraining in the contract suite: its forward functions, trained by its Manager."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import stable_pretraining_modules as plain
import torch
from contract import TERM, Inner, Recording, Run, probe, refused
from lightning.pytorch.callbacks import ModelCheckpoint
from mystery import RandomMystery
from processes import InProcesses

from augself_loss import AugSelfLoss
from augself_loss.adapters.stable_pretraining import (
    KeepRandomState,
    StablePretrainingRecorder,
    add_augself,
)

Weights = Mapping[str, float]


class StablePretrainingHost(InProcesses):
    """Records come from the host's own notes in workers, or from its chains on the device."""

    # Of processes that Lightning starts itself, the Manager would wait for a minute.
    key = "stable_pretraining"

    name = "stable-pretraining"
    packages: Mapping[str, str] = {"stable-pretraining": "0.1.8"}
    adapter = "augself_loss.adapters.stable_pretraining"
    missing: tuple[str, ...] = ("stable_pretraining",)
    methods: tuple[str, ...] = (
        "SimCLR", "BYOL", "VICReg", "Barlow Twins", "SwAV", "NNCLR", "DINO",
    )  # fmt: skip
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.2", 8)

    def backbone(self, method: str) -> str:
        return "backbone.student." if method in ("BYOL", "DINO") else "backbone."

    def train(
        self,
        folder: Path,
        method: str,
        *,
        weights: Weights | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        processes: int = 1,
        resume: bool = False,
        deep: bool = False,
    ) -> Run:
        """Train in this process, or in as many as Lightning starts of it."""
        module, data = self.prepared(method, weights, recording, deep=deep)
        kept = Losses()
        callbacks = [kept, KeepRandomState(), ModelCheckpoint(filename="{epoch}")]
        parallel = {"strategy": "ddp", "devices": processes} if processes > 1 else {}
        host = plain.trainer(*callbacks, max_epochs=epochs, enable_checkpointing=True, **parallel)
        last = _checkpoint(folder, epochs - 1) if resume else None
        with probe() as seen:
            plain.manage(host, module, data, folder, last)
        run = seen.run(module)
        saved = torch.load(_checkpoint(folder, epochs), weights_only=True)
        run.base, run.terms, run.saved = kept.base, kept.terms, saved["state_dict"]
        return run

    def prepared(
        self, method: str, weights: Weights | None, recording: Recording, *, deep: bool = False
    ) -> tuple[Any, Any]:
        """Build the module, with or without the term, and its data."""
        torch.manual_seed(0)
        module = plain.build(method)
        device = recording == "device"
        transform = plain.stacked() if device else plain.transform(method)
        if weights is not None:
            transform = StablePretrainingRecorder(transform)
            encoders = transform.encoders
            read: dict[str, Any] = {"feature_dim": plain.FEATURES, "taps": "backbone"}
            if deep:
                read = self.inner.beside(**read)
            taps = read.pop("taps")
            augself = AugSelfLoss(weights=weights, hidden_dim=16, encoders=encoders, **read)
            add_augself(module, augself, transform, taps=taps)
        return module, plain.on_device(transform) if device else plain.batches(transform)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        return refused(lambda: StablePretrainingRecorder(plain.two_views(RandomMystery())))


def _checkpoint(folder: Path, epochs: int) -> Path:
    """Find the checkpoint after so many epochs, in the folder that the Manager made for the run."""
    (found,) = folder.rglob(f"epoch={epochs - 1}.ckpt")
    return found


class Losses(pl.Callback):
    """Keeps the host's loss and the term, as they were logged."""

    def __init__(self) -> None:
        self.base: list[float] = []
        self.terms: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        logged = trainer.callback_metrics
        self.base.append(float(logged.get("augself/base", outputs["loss"])))
        if hasattr(pl_module, "augself"):
            self.terms.append(float(logged["augself/total"]))
