"""Lightning in the contract suite: modules and augmentation pipelines of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from contract import TERM, Inner, Recording, Run, probe, refused
from lightly.transforms.multi_view_transform import MultiViewTransform
from lightly_modules import FEATURES
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning_modules import SimSiam, Supervised, batches, device, worker
from mystery import RandomMystery
from pictures import loader, seed, trainer
from processes import InProcesses

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightning import KeepRandomState, add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

Weights = Mapping[str, float]


class LightningHost(InProcesses):
    """Records come from ``TorchvisionRecorder`` in workers, or from Kornia on the device."""

    key = "lightning"
    by_torchrun = False
    name = "PyTorch Lightning"
    packages: Mapping[str, str] = {"lightning": "2.6"}
    adapter = "augself_loss.adapters.lightning"
    missing: tuple[str, ...] = ("lightning", "pytorch_lightning")
    methods: tuple[str, ...] = ("SimSiam", "supervised")
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.0", 8)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "backbone."

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
        seed(0)
        module, data = self.prepared(method, weights, recording, deep=deep)
        kept = Losses()
        callbacks = [kept, KeepRandomState(), ModelCheckpoint(folder, filename="{epoch}")]
        parallel = {"strategy": "ddp", "devices": processes} if processes > 1 else {}
        host = trainer(*callbacks, max_epochs=epochs, enable_checkpointing=True, **parallel)
        seed(1 + host.global_rank)  # every process its own augmentations
        last = folder / f"epoch={epochs - 2}.ckpt"
        with probe() as seen, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Checkpoint directory .* is not empty")
            host.fit(module, data, ckpt_path=last if resume else None)
        run = seen.run(module)
        saved = torch.load(folder / f"epoch={epochs - 1}.ckpt", weights_only=True)
        run.base, run.terms, run.saved = kept.base, kept.terms, saved["state_dict"]
        return run

    def prepared(
        self, method: str, weights: Weights | None, recording: Recording, *, deep: bool = False
    ) -> tuple[Any, Any]:
        """Build the module, with or without the term, and its data."""
        module: Any = SimSiam() if method == "SimSiam" else Supervised()
        if recording == "device":
            if weights is None:
                module.pipeline = device()
                return module, batches()
            recorder = MultiViewRecorder(KorniaRecorder(device()))
            return with_term(
                module, weights, recorder, self.inner if deep else None, on_device=True
            ), batches()
        view = worker()
        if weights is None:
            return module, loader(MultiViewTransform([view, view]))
        recorder = MultiViewRecorder(TorchvisionRecorder(view))
        return with_term(module, weights, recorder, self.inner if deep else None), loader(recorder)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        pipeline = worker()
        pipeline.transforms = [*pipeline.transforms, RandomMystery()]
        return refused(lambda: TorchvisionRecorder(pipeline))


def with_term(
    module: Any, weights: Weights, recorder: Any, inner: Inner | None = None, **options: Any
) -> Any:
    """Add the term as a user does; of two depths where there is an inner one."""
    read = {"feature_dim": FEATURES, "pool": module.pool, "taps": module.taps}
    if inner is not None:
        read = inner.beside(**read)
    taps = options.pop("taps", read.pop("taps"))
    augself = AugSelfLoss(weights=weights, hidden_dim=16, encoders=recorder.encoders, **read)
    return add_augself(module, augself, recorder, taps=taps, **options)


class Losses(pl.Callback):  # type: ignore[misc]
    """Keeps the host's loss and the term, as they were logged."""

    def __init__(self) -> None:
        self.base: list[float] = []
        self.terms: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        logged = trainer.callback_metrics
        of = next((n for n in ("augself", "objective") if hasattr(pl_module, n)), None)
        self.base.append(float(outputs["loss"] if of is None else logged[f"{of}/base"]))
        if of is not None:
            self.terms.append(float(logged[f"{of}/total"]))
