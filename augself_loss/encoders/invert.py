"""Inversion."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class InvertEncoder(BinaryEncoder):
    """Inversion: 1 where the colours are inverted. Target as for the flip."""

    name = "invert"
    columns = ("invert",)

    kornia = {"RandomInvert": applied("invert")}
    torchvision = {"RandomInvert": applied("invert")}
    albumentations = {"InvertImg": applied("invert")}
    kornia_writers = {"RandomInvert": lambda _entries, _step: {}}
    albumentations_writers = {"InvertImg": lambda _entries, _step: {}}
