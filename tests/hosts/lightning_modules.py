"""Plain LightningModules and pipelines of a user's own: two views of pictures, nothing recorded."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from lightly_modules import FEATURES, SIZE, Host
from lightly_modules import SimSiam as LightlySimSiam
from pictures import Pictures
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional


def worker() -> v2.Compose:
    """Make one view of a PIL image, in a DataLoader's worker."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIZE),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def device() -> K.AugmentationSequential:
    """Make one view of a batch of images, on the device."""
    return K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


def batches() -> DataLoader[Any]:
    """Load pictures as tensors, to be augmented on the device."""
    pictures = [(functional.to_image(image).float() / 255, y) for image, y in _rows()]
    return DataLoader(pictures, batch_size=8, shuffle=True)  # type: ignore[arg-type]


def _rows() -> list[tuple[Any, int]]:
    pictures = Pictures()
    return [pictures[i] for i in range(len(pictures))]


class Augmenting(Host):
    """Augments on the device where it was given a pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.pipeline: Any = None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        if self.pipeline is None:
            return batch
        return [[self.pipeline(batch[0]), self.pipeline(batch[0])], *batch[1:]]


class SimSiam(Augmenting, LightlySimSiam):
    """As in :mod:`lightly_modules`."""


class Supervised(Augmenting):
    """Classifies both views."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(FEATURES, 3)

    def training_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: ARG002
        views, labels = batch[0], batch[1]
        scores = [self.classifier(self.features(view)) for view in views]
        return nn.functional.cross_entropy(torch.cat(scores), labels.repeat(len(views)))
