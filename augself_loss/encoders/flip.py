"""Horizontal flip."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class FlipEncoder(BinaryEncoder):
    """Horizontal flip: 1 where the view is mirrored left to right.

    Target 1 where the two views are the same, else 0 (method: flip, BCE with logits).
    """

    name = "flip"
    columns = ("flip",)

    kornia = {"RandomHorizontalFlip": applied("flip")}
    torchvision = {"RandomHorizontalFlip": applied("flip")}
    kornia_writers = {"RandomHorizontalFlip": lambda _entries, _step: {}}
