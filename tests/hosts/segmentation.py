"""A data set of images and masks; here, where processes that are spawned can import it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

HEIGHT, WIDTH = 24, 30


def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator)


def image() -> tv_tensors.Image:
    return tv_tensors.Image(pixels())


def mask() -> tv_tensors.Mask:
    return tv_tensors.Mask((pixels()[0] // 52).long())


class Segmentation:
    """A data set of images and masks: the two views of a sample beside both masks."""

    def __init__(self) -> None:
        crop = v2.Compose([v2.RandomResizedCrop(16), v2.ToDtype(torch.float32, scale=True)])
        self.recorder = MultiViewRecorder(TorchvisionRecorder(crop))

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        (image1, mask1), (image2, mask2), packed = self.recorder(image(), mask())
        return [image1, image2, packed], [mask1, mask2], index
