"""Vertical flip."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class VerticalFlipEncoder(BinaryEncoder):
    """Vertical flip: 1 where the view is mirrored top to bottom. Target as for the flip."""

    name = "vertical_flip"
    columns = ("vertical_flip",)

    kornia = {"RandomVerticalFlip": applied("vertical_flip")}
    torchvision = {"RandomVerticalFlip": applied("vertical_flip")}
    kornia_writers = {"RandomVerticalFlip": lambda _entries, _step: {}}
