"""stable-pretraining's methods as it documents them, in small, and pictures to train them on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("LOGURU_LEVEL", "CRITICAL")  # the host tells of every step that it takes

import lightning.pytorch as pl
import numpy as np
import stable_pretraining as spt
from PIL import Image
from stable_pretraining import forward
from stable_pretraining.data import gpu_transforms, transforms
from torch import Tensor, nn
from torch.utils.data import DataLoader

SIZE, FEATURES, BATCH = 16, 16, 8


class Pictures:
    """Coloured noise, smooth enough to be picture-like: ``(PIL image, label)``."""

    def __init__(self, count: int = 3 * BATCH) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        noise = np.random.RandomState(index).randint(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(noise).resize((24, 20), Image.Resampling.BICUBIC), index % 3


class Backbone(nn.Sequential):
    """Two convolutions and a pool: ``(B, 3, H, W)`` to ``(B, 16)``, of any size as DINO asks."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, FEATURES, 3, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Tensor, interpolate_pos_encoding: bool = False) -> Tensor:  # noqa: ARG002
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def projector(width: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(FEATURES, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, width)
    )


def pipeline(*more: Any, size: int = SIZE) -> Any:
    """Make one view, as the README does."""
    return transforms.Compose(
        transforms.RGB(),
        transforms.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        transforms.RandomHorizontalFlip(p=0.5),
        transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, p=0.8),
        transforms.RandomGrayscale(p=0.2),
        *more,
        transforms.ToImage(),
    )


def two_views(*more: Any) -> Any:
    solarize = transforms.RandomSolarize(threshold=128, p=0.2)
    return transforms.MultiViewTransform([pipeline(*more), pipeline(solarize)])


def crops() -> Any:
    names = {"global_1": SIZE, "global_2": SIZE, "local_1": 12}
    return transforms.MultiViewTransform({k: pipeline(size=size) for k, size in names.items()})


def chain() -> Any:
    """Make views of a batch, on the device."""
    return gpu_transforms.GPUCompose(
        [
            gpu_transforms.GPURandomResizedCrop(size=SIZE, scale=(0.2, 1.0)),
            gpu_transforms.GPURandomHorizontalFlip(p=0.5),
            gpu_transforms.GPUColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8),
            gpu_transforms.GPUNormalize(mean=[0.5] * 3, std=[0.25] * 3),
        ]
    )


def batches(transform: Any, count: int = 3 * BATCH, **options: Any) -> Any:
    """Load pictures, augmented by the transform in the worker, or on the device."""
    dataset = spt.data.FromTorchDataset(Pictures(count), names=["image", "label"], **options)
    dataset.transform = transform
    return DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)


def on_device(transform: Any) -> Any:
    """Load pictures that the device augments."""
    return batches(transforms.ToImage(), gpu_transform=transform)


def simclr() -> dict[str, Any]:
    loss = spt.losses.NTXEntLoss(temperature=0.5)
    return {"forward": forward.simclr, "projector": projector(), "simclr_loss": loss}


def vicreg() -> dict[str, Any]:
    loss = spt.losses.VICRegLoss()
    return {"forward": forward.vicreg, "projector": projector(), "vicreg_loss": loss}


def barlow_twins() -> dict[str, Any]:
    loss = spt.losses.BarlowTwinsLoss(lambd=5e-3)
    return {"forward": forward.barlow_twins, "projector": projector(), "barlow_loss": loss}


def swav() -> dict[str, Any]:
    return {
        "forward": forward.swav,
        "projector": projector(),
        "prototypes": nn.Linear(16, 24, bias=False),
        "swav_loss": spt.losses.SwAVLoss(),
    }


def byol() -> dict[str, Any]:
    return {
        "forward": forward.byol,
        "backbone": spt.TeacherStudentWrapper(Backbone()),
        "projector": spt.TeacherStudentWrapper(projector()),
        "predictor": nn.Linear(16, 16),
        "byol_loss": spt.losses.BYOLLoss(),
    }


def nnclr() -> dict[str, Any]:
    return {
        "forward": forward.nnclr,
        "projector": projector(),
        "predictor": nn.Linear(16, 16),
        "nnclr_loss": spt.losses.NTXEntLoss(temperature=0.5),
        "hparams": {"support_set_size": 32, "projection_dim": 16},
    }


def dino() -> dict[str, Any]:
    return {
        "forward": forward.dino,
        "backbone": spt.TeacherStudentWrapper(Backbone()),
        "projector": spt.TeacherStudentWrapper(projector()),
        "dino_loss": spt.losses.DINOv1Loss(),
    }


METHODS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "SimCLR": simclr,
    "BYOL": byol,
    "VICReg": vicreg,
    "Barlow Twins": barlow_twins,
    "SwAV": swav,
    "NNCLR": nnclr,
    "DINO": dino,
}
OPTIM: Mapping[str, Any] = {
    "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
    "scheduler": {"type": "ConstantLR"},
}


def build(method: str, optim: Any = None) -> Any:
    """Build the module of a method, as its documentation does."""
    parts = {"backbone": Backbone(), **METHODS[method]()}
    return spt.Module(**parts, optim=dict(OPTIM) if optim is None else optim)


def trainer(*callbacks: Any, **options: Any) -> pl.Trainer:
    """Build a quiet trainer on the CPU."""
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(callbacks=list(callbacks), **{**quiet, **options})


def transform(method: str) -> Any:
    """Make the views that a method compares."""
    return crops() if method == "DINO" else two_views()


def stacked() -> Any:
    return gpu_transforms.StackedMultiView(chain(), n_views=2)


def manage(
    host: Any,
    module: Any,
    data: Any,
    folder: Path,
    checkpoint: Path | None = None,
    **options: Any,
) -> None:
    """Train by the host's Manager, which seeds everything with 1."""
    spt.set(cache_dir=str(folder / "cache"), default_loggers={"registry": False})
    resumed = {"ckpt_path": str(checkpoint), "weights_only": True} if checkpoint else {}
    data = spt.data.DataModule(train=data, **options)
    with warnings.catch_warnings():
        # The host's own: its logging, no validation, where its hook is, a folder for every run.
        own = "Total length|Trying to infer the `batch_size`|You have overridden|The dirpath has"
        warnings.filterwarnings("ignore", own)
        spt.Manager(trainer=host, module=module, data=data, seed=1, **resumed)()
