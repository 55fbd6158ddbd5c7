"""albumentations pipelines that its tests share, and how two runs are compared."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812 - as albumentations' own documentation writes it
import cv2
import numpy as np
import torch

from augself_loss.parameters import Record
from augself_loss.recording.albumentations import AlbumentationsRecorder

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)


def usual(**options: Any) -> Any:
    """The pipeline of most self-supervised methods."""
    return A.Compose(
        [
            A.RandomResizedCrop((24, 24)), A.HorizontalFlip(),
            A.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8), A.ToGray(p=0.2),
            A.GaussianBlur(sigma_limit=(0.1, 2.0), p=0.5), A.Solarize(p=0.2),
            A.Normalize(), A.ToTensorV2(),
        ],
        **options,
    )  # fmt: skip


def nested(**options: Any) -> Any:
    """Every container, one inside of another."""
    return A.Compose(
        [
            A.OneOf([A.RandomCrop(30, 30), A.Sequential([A.CenterCrop(32, 32), A.VerticalFlip()])]),
            A.SomeOf([A.HorizontalFlip(), A.VerticalFlip(), A.Transpose()], n=2, p=0.8),
            A.OneOrOther(A.ColorJitter(p=0.3), A.Sequential([A.Solarize(), A.InvertImg()], p=0.7)),
            A.RandomOrder([A.ToGray(), A.GaussianBlur(sigma_limit=(0.5, 1.0))], n=2),
            A.SomeOf([A.HorizontalFlip(), A.VerticalFlip()], n=3, replace=True),
            A.NoOp(p=0.3),
        ],
        **options,
    )  # fmt: skip


def states(transform: Any) -> list[Any]:
    """Where all generators of a pipeline stand."""
    children = getattr(transform, "transforms", []) if isinstance(transform, A.BaseCompose) else []
    own = [transform.py_random.getstate(), transform.random_generator.bit_generator.state]
    return [own, *map(states, children)]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return bool(np.array_equal(a, b))


def smooth(height: int = 64, width: int = 64, dtype: Any = np.uint8) -> Any:
    """An image without hard edges."""
    noise = np.random.default_rng(0).uniform(0.1, 0.9, (5, 5, 3)).astype(np.float32)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0.05, 0.95)
    return (image * 255).round().astype(np.uint8) if dtype == np.uint8 else image.astype(dtype)


def run(transform: Any, image: Any, seed: int) -> tuple[Any, Record]:
    """Record one image under a seed."""
    plain = transform if isinstance(transform, A.BaseCompose) else A.Compose([transform])
    plain.set_random_seed(seed)
    data, record = AlbumentationsRecorder(plain)(image=image)
    return data["image"], record
