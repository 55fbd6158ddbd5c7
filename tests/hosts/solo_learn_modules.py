"""solo-learn 1.0.2 in small: its methods, its transforms and its data loader, on a few pictures."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import VisionDataset

with warnings.catch_warnings():
    # solo-learn, Lightning 1.6 and Bolts are from 2022: their imports warn of what has aged.
    warnings.simplefilter("ignore")
    import pytorch_lightning as pl
    from solo.methods import METHODS
    from solo.utils.pretrain_dataloader import (
        dataset_with_index,
        prepare_dataloader,
        prepare_n_crop_transform,
        prepare_transform,
    )

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

SIZE, SMALL, BATCH = 16, 12, 8

BASE: Mapping[str, Any] = {
    "encoder": "resnet18", "num_classes": 3, "backbone_args": {"cifar": False}, "max_epochs": 2,
    "batch_size": BATCH, "optimizer": "sgd", "lars": False, "lr": 0.02, "weight_decay": 1e-4,
    "classifier_lr": 0.1, "exclude_bias_n_norm": True, "accumulate_grad_batches": 1,
    "extra_optimizer_args": {"momentum": 0.9}, "scheduler": "warmup_cosine", "min_lr": 0.0,
    "warmup_start_lr": 0.003, "warmup_epochs": 1, "num_large_crops": 2, "num_small_crops": 0,
}  # fmt: skip
"""What ``main_pretrain.py`` gives to every method, out of its command line."""

HEAD = {"proj_output_dim": 16, "proj_hidden_dim": 32}
PREDICTOR = {**HEAD, "pred_hidden_dim": 8}
MOMENTUM = {"base_tau_momentum": 0.9, "final_tau_momentum": 1.0, "momentum_classifier": False}
OWN: Mapping[str, dict[str, Any]] = {
    "simclr": {**HEAD, "temperature": 0.2},
    "simsiam": PREDICTOR,
    "byol": {**PREDICTOR, **MOMENTUM},
    "barlow_twins": {**HEAD, "lamb": 0.005, "scale_loss": 0.1},
    "vicreg": {**HEAD, "sim_loss_weight": 25, "var_loss_weight": 25, "cov_loss_weight": 1},
    "mocov2plus": {**HEAD, **MOMENTUM, "temperature": 0.2, "queue_size": 64},
    "swav": {
        **HEAD, "num_prototypes": 12, "sk_iters": 3, "sk_epsilon": 0.05, "temperature": 0.1,
        "queue_size": 0, "epoch_queue_starts": 0, "freeze_prototypes_epochs": 0,
    },
    "dino": {
        **HEAD, **MOMENTUM, "num_prototypes": 12, "clip_grad": 0, "freeze_last_layer": 0,
        "norm_last_layer": True, "use_bn_in_head": False, "student_temperature": 0.1,
        "teacher_temperature": 0.07, "warmup_teacher_temperature": 0.04,
        "warmup_teacher_temperature_epochs": 1,
    },
    "nnclr": {**PREDICTOR, "temperature": 0.2, "queue_size": 64},
    "nnsiam": {**PREDICTOR, "queue_size": 64},
    "nnbyol": {**PREDICTOR, **MOMENTUM, "queue_size": 64},
    "ressl": {**HEAD, **MOMENTUM, "temperature_q": 0.1, "temperature_k": 0.04, "queue_size": 64},
}  # fmt: skip
"""What each method has besides."""


class DINO(METHODS["dino"]):  # type: ignore[misc]
    """solo-learn's ``clip_gradients`` bears the name of a hook that Lightning has since 1.5."""

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Leave clipping to solo-learn's ``on_after_backward``."""


def method(name: str, **options: Any) -> Any:
    """Build one of solo-learn's methods, in small."""
    kind = DINO if name == "dino" else METHODS[name]
    return kind(**{**BASE, **OWN[name], **options})


AUGMENTATIONS: Mapping[str, Any] = {
    "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1, "gaussian_prob": 0.5,
    "solarization_prob": 0.2, "crop_size": SIZE, "min_scale": 0.2,
}  # fmt: skip


def transform(crops: Sequence[int] = (2,), *pipelines: Mapping[str, Any]) -> Any:
    """Build solo-learn's transform: per pipeline, how many crops, and what is not as usual."""
    kwargs = [{**AUGMENTATIONS, **other} for other in pipelines or [{}] * len(crops)]
    return prepare_n_crop_transform(
        [prepare_transform("imagenet100", **k) for k in kwargs], num_crops_per_aug=list(crops)
    )


class Pictures(VisionDataset):  # type: ignore[misc]
    """Coloured noise, smooth enough to be picture-like: ``(PIL image, label)``."""

    def __init__(self, transform: Any, count: int = 4 * BATCH) -> None:
        super().__init__("", transform=transform)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(picture(index)), index % 3


def picture(index: int) -> Image.Image:
    noise = np.random.RandomState(index).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC)


def loader(transform: Any, *, workers: int = 0) -> DataLoader[Any]:
    """Load batches (indices, views, targets) as ``main_pretrain.py`` does."""
    dataset = dataset_with_index(Pictures)(transform)
    data: DataLoader[Any] = prepare_dataloader(dataset, batch_size=BATCH, num_workers=workers)
    return data


def single() -> Any:
    """Return the transform of a data set whose images are augmented on the device."""
    return transforms.ToTensor()


def pipeline() -> K.AugmentationSequential:
    """Make one view of a batch of images, on the device."""
    return K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


def augmenting(model: Any) -> Any:
    """Make a plain method augment on the device."""

    class Augmenting(type(model)):  # type: ignore[misc]
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
            indices, images, targets = batch
            return [indices, [views(images), views(images)], targets]

    views = pipeline()
    model.__class__ = Augmenting
    return model


class Losses(pl.Callback):  # type: ignore[misc]
    """Keeps the host's loss, the term, and all that was logged, step by step."""

    def __init__(self) -> None:
        self.base: list[float] = []
        self.terms: list[float] = []
        self.total: list[float] = []
        self.logged: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.logged.append(logged)
        self.total.append(float(outputs["loss"]))
        self.base.append(logged.get("augself/base", self.total[-1]))
        if hasattr(pl_module, "augself"):
            self.terms.append(logged["augself/total"])


def fit(
    model: Any,
    data: Any,
    *callbacks: Any,
    validation: Any = None,
    checkpoint: Any = None,
    **options: Any,
) -> Any:
    """Train from one random state, by solo-learn's Lightning; return the Trainer."""
    quiet = {
        "accelerator": "cpu", "devices": 1, "max_epochs": 1, "logger": False,
        "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(callbacks=list(callbacks), **{**quiet, **options})
        seed(1 + trainer.global_rank)
        trainer.fit(model, data, validation, ckpt_path=checkpoint)
    return trainer


def seed(number: int) -> None:
    """Seed all that solo-learn's transforms and methods draw from."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
