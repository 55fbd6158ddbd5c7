"""Pictures to train on, a trainer for a few steps, and what a run left behind."""

from __future__ import annotations

import random
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightly.data import LightlyDataset
from lightly.data.multi_view_collate import MultiViewCollate
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset

BATCH = 8


class Pictures(VisionDataset):  # type: ignore[misc]
    """Coloured noise, smooth enough to be picture-like: ``(PIL image, label)``."""

    def __init__(self, count: int = 4 * BATCH) -> None:
        super().__init__(root="")
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        noise = np.random.RandomState(index).randint(0, 256, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC)
        return (image if self.transform is None else self.transform(image)), index % 3


def loader(transform: Any, *, count: int = 4 * BATCH, **options: Any) -> DataLoader[Any]:
    """Load pictures through Lightly's data set and collate, as its documentation does."""
    dataset = LightlyDataset.from_torch_dataset(Pictures(count), transform=transform)
    chosen = {"collate_fn": MultiViewCollate(), "shuffle": True, **options}
    return DataLoader(dataset, batch_size=BATCH, drop_last=True, **chosen)


class Losses(Callback):  # type: ignore[misc]
    """Keeps every step's loss as the trainer got it."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:  # noqa: ARG002
        if outputs:
            self.losses.append(float(outputs["loss"]))


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
    }
    return pl.Trainer(callbacks=list(callbacks), **{**quiet, **options})


def fit(module: Any, data: DataLoader[Any], *callbacks: Any, **options: Any) -> list[float]:
    """Train from one random state, and return every step's loss."""
    seed(1)
    kept = Losses()
    trainer(kept, *callbacks, **options).fit(module, data)
    return kept.losses


def seed(number: int) -> None:
    """Seed all that the pictures' transforms draw from."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def weights(module: torch.nn.Module, *, without: str = "augself.") -> dict[str, torch.Tensor]:
    """Copy a module's state, but the heads'."""
    state = module.state_dict()
    return {k: v.clone() for k, v in state.items() if not k.startswith(without)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
