"""Transformers in the contract suite: its Trainer, with models and losses of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from contract import TERM, Inner, Recording, Run, probe, refused
from plain_loop import BATCH, Images
from processes import InProcesses
from pytorch_pipelines import crops, device, each, unknown
from pytorch_pipelines import recording as records
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset, default_collate
from transformers import TrainingArguments, set_seed
from transformers_models import FEATURES, METHODS

from augself_loss import AugSelfLoss, Grid
from augself_loss.adapters.transformers import add_augself
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

QUIET: dict[str, Any] = {
    "num_train_epochs": 1, "per_device_train_batch_size": BATCH, "learning_rate": 0.01,
    "lr_scheduler_type": "constant", "logging_steps": 1, "save_strategy": "epoch",
    "report_to": [], "disable_tqdm": True, "remove_unused_columns": False, "use_cpu": True,
    "max_grad_norm": 0,  # clipping scales the host's gradients by the norm of all, the heads' too
}  # fmt: skip


class TransformersHost(InProcesses):
    """``add_augself(trainer, augself, recorder, taps=…)``."""

    key = "transformers"

    name = "Transformers' Trainer"
    packages: Mapping[str, str] = {"transformers": "5.24"}
    adapter = "augself_loss.adapters.transformers"
    missing: tuple[str, ...] = ("transformers",)
    methods: tuple[str, ...] = tuple(METHODS)
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.layers.0", FEATURES, Grid(2, prefix=1))

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "backbone."

    def train(
        self,
        folder: Path,
        method: str,
        *,
        weights: Mapping[str, float] | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        processes: int = 1,  # noqa: ARG002 - the Trainer reads it off torchrun's environment
        resume: bool = False,
        deep: bool = False,
    ) -> Run:
        set_seed(0)
        trainer, recorder = prepared(
            folder, method, recording, plain=weights is None, num_train_epochs=epochs
        )
        if weights is not None:
            model = trainer.model
            read = {"feature_dim": FEATURES, "pool": "cls", "taps": model.taps}
            if deep:
                read = self.inner.beside(**read)
            taps = read.pop("taps")
            augself = AugSelfLoss(
                weights=weights, hidden_dim=16, encoders=recorder.encoders, **read
            )
            add_augself(trainer, augself, recorder, taps=taps, on_device=recording == "device")
        with probe() as seen:
            trainer.train(resume_from_checkpoint=resume)
        run = seen.run(trainer.model)
        run.base = trainer.losses
        logged = [row for row in trainer.state.log_history if "augself/total" in row]
        run.terms = [row["augself/total"] for row in logged[-len(run.base) :]]
        run.saved = load_file(folder / f"checkpoint-{trainer.state.global_step}/model.safetensors")
        return run

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        return refused(lambda: TorchvisionRecorder(unknown()))


class Rows(Dataset[Any]):
    """Pictures as Transformers' data sets hold them: a dict of each."""

    def __init__(self, transform: Any) -> None:
        self.images = Images(transform)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": self.images[index][0]}


def prepared(
    folder: Path,
    method: str = "SimSiam",
    recording: Recording = "CPU",
    *,
    plain: bool = False,
    model: Callable[[], nn.Module] | None = None,
    optimizer: Callable[[nn.Module], Any] | None = None,
    **options: Any,
) -> tuple[Any, MultiViewRecorder]:
    """Build the Trainer as a user does, with records or without; it notes its own losses.

    Args:
        folder: where its checkpoints go.
        method: one of METHODS.
        recording: where augmentation runs.
        plain: whether nothing is recorded.
        model: makes another model than the method's.
        optimizer: builds the optimizer of the model, where the user does.
        **options: of TrainingArguments.
    """
    on_device = recording == "device"
    pipelines: list[Any] = [device()] * 2 if on_device else crops(many=method == "DINO")
    recorder = records(pipelines, on_device=on_device)
    made, kind = METHODS[method]

    class Noting(kind):  # type: ignore[misc, valid-type]
        losses: list[float] = []

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if plain and on_device:
                with torch.no_grad():
                    inputs = {"pixel_values": [p(inputs["pixel_values"]) for p in pipelines]}
            found = super().compute_loss(model, inputs, *args, **kwargs)
            if model.training:
                self.losses.append(float(found.detach()))
            return found

    transform = None if on_device else (each(pipelines) if plain else recorder)
    net, arguments = (model or made)(), TrainingArguments(str(folder), **{**QUIET, **options})
    optimizers = (None, None) if optimizer is None else (optimizer(net), None)
    trainer = Noting(net, arguments, default_collate, Rows(transform), optimizers=optimizers)
    trainer.losses = []
    return trainer, recorder
