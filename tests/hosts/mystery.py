"""A random transform that no recorder knows, in a module of its own so that workers find it."""

from __future__ import annotations

import random
from typing import Any


class RandomMystery:
    """Turns half of the images upside down."""

    def __call__(self, image: Any) -> Any:
        return image.rotate(180) if random.random() < 0.5 else image
