"""MMPretrain's own configs in small: pictures in a folder, views, and the issue's algorithms."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

with warnings.catch_warnings():
    # MMCV's, on import: of operators that mmcv-lite leaves out, and of packages that it looks for.
    warnings.filterwarnings("ignore", category=UserWarning, module="mmcv")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from mmcv.transforms import BaseTransform
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmpretrain.models import SelfSupDataPreprocessor
    from mmpretrain.registry import HOOKS, MODELS, TRANSFORMS

    import augself_loss.adapters.mmpretrain  # noqa: F401 - what `custom_imports` does in a file

__all__ = [
    "HOOKS",
    "MODELS",
    "TRANSFORMS",
    "BaseTransform",
    "Config",
    "Hook",
    "Runner",
    "SelfSupDataPreprocessor",
]

SIZE, WIDTH, BATCH, PICTURES = 24, 32, 4, 8
NUMBER = itertools.count()
"""MMEngine knows its loggers by the experiment's name: every run here has its own."""

ONES = [1.0, 1.0, 1.0]
PREPROCESSOR = {"mean": [120.0] * 3, "std": [60.0] * 3, "to_rgb": True}
TYPES = ("crop", "flip", "color", "grayscale", "blur", "solarize")


init_default_scope("mmpretrain")  # as `default_scope` does in a file

NOISE = (
    "Only use 'alpha' for pillow backend",
    "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected",
)
"""What MMCV and MMEngine warn of in a run that is as it should be."""


@contextmanager
def quiet() -> Iterator[None]:
    """Let the hosts' own warnings pass in this block; they are no errors of ours."""
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message)
        yield


def pictures(folder: Path) -> Path:
    """Write a few picture files, smooth enough to be picture-like."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(PICTURES):
        noise = np.random.RandomState(index).randint(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index}.png")
    return folder


def view(**blur: Any) -> list[dict[str, Any]]:
    """One view of MMPretrain's SimCLR and BYOL files, in small."""
    jitter = {"type": "ColorJitter", "brightness": 0.8, "contrast": 0.8, "saturation": 0.8}
    gray = {"prob": 0.2, "keep_channels": True, "channel_weights": (0.114, 0.587, 0.2989)}
    return [
        {"type": "RandomResizedCrop", "scale": SIZE, "backend": "pillow"},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "RandomApply", "transforms": [{**jitter, "hue": 0.2}], "prob": 0.8},
        {"type": "RandomGrayscale", **gray},
        {"type": "GaussianBlur", "magnitude_range": (0.1, 2.0), "magnitude_std": "inf", **blur},
        {"type": "Solarize", "thr": 128, "prob": 0.2},
    ]


def pipeline(views: Any, *, recorded: bool) -> list[dict[str, Any]]:
    """Load a picture, make two views of it, and pack them."""
    kind = "RecordedMultiView" if recorded else "MultiView"
    packed = {"algorithm_keys": ("aug_params",)} if recorded else {}
    return [
        {"type": "LoadImageFromFile"},
        {"type": kind, "num_views": [1, 1], "transforms": views},
        {"type": "PackInputs", **packed},
    ]


def still() -> list[dict[str, Any]]:
    """Load a picture in the size that the device augments it from."""
    resize = {"type": "Resize", "scale": (32, 32)}
    return [{"type": "LoadImageFromFile"}, resize, {"type": "PackInputs"}]


KORNIA: list[dict[str, Any]] = [
    {"type": "RandomResizedCrop", "size": (SIZE, SIZE), "scale": (0.2, 1.0)},
    {"type": "RandomHorizontalFlip"},
    {"type": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
]


def neck(out: int, kind: str = "NonLinearNeck", **more: Any) -> dict[str, Any]:
    return {"type": kind, "in_channels": WIDTH, "hid_channels": 16, "out_channels": out, **more}


def mlp(out: int, **more: Any) -> dict[str, Any]:
    """A neck with batch norm: their own default is SyncBN."""
    return neck(out, norm_cfg={"type": "BN1d"}, **more)


def predictor(**more: Any) -> dict[str, Any]:
    inner = {**mlp(16, with_avg_pool=False), "in_channels": 16, **more}
    loss = {"type": "CosineSimilarityLoss"}
    return {"type": "LatentPredictHead", "loss": loss, "predictor": inner}


CONTRASTIVE = {"type": "ContrastiveHead", "loss": {"type": "CrossEntropyLoss"}, "temperature": 0.2}
QUEUE = {"queue_len": 16, "feat_dim": 16}
CROSS = {
    "type": "LatentCrossCorrelationHead",
    "in_channels": 16,
    "loss": {"type": "CrossCorrelationLoss"},
}
SWAV = {"type": "SwAVLoss", "feat_dim": 16, "num_crops": [2, 4], "num_prototypes": 24}
ALGORITHMS: Mapping[str, dict[str, Any]] = {
    "SimSiam": {"type": "SimSiam", "neck": mlp(16), "head": predictor(with_last_bn=False)},
    "SimCLR": {"type": "SimCLR", "neck": mlp(16), "head": CONTRASTIVE},
    "BYOL": {"type": "BYOL", "neck": mlp(16), "head": predictor()},
    "MoCo v2": {"type": "MoCo", "neck": neck(16, "MoCoV2Neck"), "head": CONTRASTIVE, **QUEUE},
    "Barlow Twins": {"type": "BarlowTwins", "neck": mlp(16), "head": CROSS},
    "DenseCL": {
        "type": "DenseCL",
        "neck": neck(16, "DenseCLNeck", num_grid=None),
        "head": CONTRASTIVE,
        **QUEUE,
    },
    "SwAV": {
        "type": "SwAV",
        "neck": neck(16, "SwAVNeck", norm_cfg={"type": "BN1d"}),
        "head": {"type": "SwAVHead", "loss": SWAV},
    },
}


def algorithm(method: str) -> dict[str, Any]:
    """Say how a method's model is built: a ResNet-18 of an eighth of its width."""
    thin = {"stem_channels": 8, "base_channels": WIDTH // 8, "norm_cfg": {"type": "BN"}}
    return {**ALGORITHMS[method], "backbone": {"type": "ResNet", "depth": 18, **thin}}


def with_term(model: dict[str, Any], weights: Mapping[str, float], **more: Any) -> dict[str, Any]:
    """Add the term as a user's file does, by overriding ``type``."""
    term = {"weights": dict(weights), "hidden_dim": 16, **more}
    return {**model, "type": "AugSelf", "algorithm": model["type"], "augself": term}


def training(folder: Path, model: dict[str, Any], steps: Any, epochs: int) -> dict[str, Any]:
    """All that is left of a config file: data, optimizer, schedule and hooks."""
    data = {"type": "CustomDataset", "data_prefix": str(pictures(folder / "pictures"))}
    quiet = {"timer": None, "logger": {"type": "LoggerHook", "interval": 1}}
    return {
        "default_scope": "mmpretrain",
        "experiment_name": f"run{next(NUMBER)}",
        "work_dir": str(folder),
        "log_level": "ERROR",
        "randomness": {"seed": 0},
        "model": model,
        "train_dataloader": {
            "batch_size": BATCH,
            "num_workers": 1,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": {"type": "default_collate"},
            "drop_last": True,
            "dataset": {**data, "with_label": False, "pipeline": steps},
        },
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4},
        },
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": epochs},
        "default_hooks": {**quiet, "checkpoint": {"type": "CheckpointHook", "interval": 1}},
    }
