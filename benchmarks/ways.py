"""The ways to two views of a batch that are compared: each library's, and what records them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image
from pipelines import (
    albumentations_pipeline,
    kornia_pipeline,
    torchvision_image_pipeline,
    torchvision_pipeline,
)
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from augself_loss import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

BATCHES = {32: 256, 96: 64, 224: 16}
"""Pixels of a side → images in a batch, where views alone are timed."""
Two = tuple[list[Tensor], list[Record]]
"""Both views of a batch, and their records if there are any."""


@dataclass(frozen=True)
class Way:
    """One way to views.

    Attributes:
        two: makes two views.
        encoders: of the types that it records; none if it does not record.
    """

    two: Callable[[], Two]
    encoders: tuple[Any, ...] = ()


def plain(pipeline: Callable[[Tensor], Tensor], images: Tensor) -> Way:
    """Augment a batch without a record."""
    return Way(lambda: ([pipeline(images), pipeline(images)], []))


def recorded(recorder: Any, images: Tensor) -> Way:
    """Augment a batch and record it."""

    def two() -> Two:
        (one, first), (other, second) = recorder(images), recorder(images)
        return [one, other], [first, second]

    return Way(two, tuple(recorder.encoders))


def fused(size: int, images: Tensor, *, compile: bool = False) -> Way:  # noqa: A002 - as there
    """Let Kornia draw and the library apply, recorded."""
    return recorded(KorniaRecorder(kornia_pipeline(size), apply="fused", compile=compile), images)


def on_device(size: int, images: Tensor, *, compiled: bool = False) -> dict[str, Way]:
    """List the ways that augment a whole batch where it is.

    Args:
        size: pixels of a view's side.
        images: a batch, floats in [0, 1].
        compiled: whether to list the compiled one, too.

    Returns:
        Name → way.
    """
    ways = {
        "Kornia": plain(kornia_pipeline(size), images),
        "Kornia, recorded": recorded(KorniaRecorder(kornia_pipeline(size)), images),
        "fused": fused(size, images),
    }
    if compiled:
        ways["fused, compiled"] = fused(size, images, compile=True)
    ways["torchvision v2, one draw a batch"] = plain(torchvision_pipeline(size), images)
    return ways


def image_by_image(size: int, batch: int, *, workers: int = 0) -> dict[str, Way]:
    """List the ways that augment image by image, in this process or in workers.

    Args:
        size: pixels of a view's side, and of an image's.
        batch: images in a batch.
        workers: how many; 0 is this process.

    Returns:
        Name → way.
    """
    pixels = np.random.default_rng(0).integers(0, 255, (batch, size, size, 3), dtype=np.uint8)
    pictures = [Image.fromarray(array) for array in pixels]
    pipeline = torchvision_image_pipeline(size)
    recorder = TorchvisionRecorder(torchvision_image_pipeline(size))
    name = "torchvision v2, an image at a time"
    ways = {
        name: _loaded(pipeline, pictures, workers),
        f"{name}, recorded": _loaded(recorder, pictures, workers, recorder.encoders),
    }
    if find_spec("albumentations"):  # an optional extra
        cv2: Any = import_module("cv2")

        from augself_loss.recording.albumentations import AlbumentationsRecorder  # noqa: PLC0415

        cv2.setNumThreads(torch.get_num_threads())
        alone = albumentations_pipeline(size)
        keeper = AlbumentationsRecorder(albumentations_pipeline(size))
        ways["albumentations"] = _loaded(lambda i: alone(image=i)["image"], [*pixels], workers)
        ways["albumentations, recorded"] = _loaded(keeper, [*pixels], workers, keeper.encoders)
    return ways


class _Pictures(Dataset[Any]):
    """Both views of every picture, again and again."""

    def __init__(self, pictures: list[Any], augment: Callable[[Any], Any], length: int) -> None:
        self.pictures, self.augment, self.length = pictures, augment, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> list[Any]:
        picture = self.pictures[index % len(self.pictures)]
        return [self.augment(picture), self.augment(picture)]


def _loaded(
    augment: Callable[[Any], Any], pictures: list[Any], workers: int, encoders: Any = ()
) -> Way:
    batches: Iterator[Any]
    if workers:
        endless = _Pictures(pictures, augment, 10**6)
        batches = iter(DataLoader(endless, len(pictures), num_workers=workers))
    else:
        batches = _here(_Pictures(pictures, augment, len(pictures)))

    def two() -> Two:
        pair = next(batches)
        if not encoders:
            return pair, []
        return [view for view, _ in pair], [record for _, record in pair]

    return Way(two, tuple(encoders))


def _here(pictures: _Pictures) -> Iterator[Any]:
    while True:
        yield default_collate([pictures[index] for index in range(len(pictures))])
