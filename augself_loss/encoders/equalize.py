"""Histogram equalization."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class EqualizeEncoder(BinaryEncoder):
    """Histogram equalization: 1 where the histogram was equalized. Target as for the flip."""

    name = "equalize"
    columns = ("equalize",)

    kornia = {"RandomEqualize": applied("equalize")}
    torchvision = {"RandomEqualize": applied("equalize")}
    kornia_writers = {"RandomEqualize": lambda _entries, _step: {}}
