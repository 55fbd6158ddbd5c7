"""Objects of a user's own that make views, pictures to give them, and seeds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2


def picture(seed: int) -> Any:
    noise = np.random.RandomState(seed).randint(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((45, 35), Image.Resampling.BICUBIC)


def seeded(seed: int, make: Callable[[Any], Any], image: Any) -> tuple[Any, list[Any]]:
    """Run under one seed of all three, and say where the random states stand afterwards."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    made = make(image)
    following = [random.random(), np.random.rand(), float(torch.rand(1))]
    return made, following


class Views:
    """An object of a user's own: does with its pipelines what it is told."""

    def __init__(self, make: Callable[[Any, Any], Any], **held: Any) -> None:
        self.make = _Plain(make)
        self.rng: Any = None
        vars(self).update(held)

    def __call__(self, image: Any) -> Any:
        return self.make.function(self, image)


class _Plain:
    """Holds a function, and is no pipeline itself."""

    def __init__(self, function: Any) -> None:
        self.function = function


def geometry(size: int = 16) -> Any:
    return v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()])
