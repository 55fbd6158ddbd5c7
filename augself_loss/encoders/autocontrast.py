"""Automatic contrast."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class AutocontrastEncoder(BinaryEncoder):
    """Automatic contrast: 1 where it was stretched to the full range. Target as for the flip."""

    name = "autocontrast"
    columns = ("autocontrast",)

    kornia = {"RandomAutoContrast": applied("autocontrast")}
    torchvision = {"RandomAutocontrast": applied("autocontrast")}
    albumentations = {"AutoContrast": applied("autocontrast")}
    kornia_writers = {"RandomAutoContrast": lambda _entries, _step: {}}
    albumentations_writers = {"AutoContrast": lambda _entries, _step: {}}
