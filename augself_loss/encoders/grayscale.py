"""Grayscale."""

from __future__ import annotations

from augself_loss.encoders.binary import BinaryEncoder, applied


class GrayscaleEncoder(BinaryEncoder):
    """Grayscale: 1 where the view has lost its colour. Target as for the flip."""

    name = "grayscale"
    columns = ("grayscale",)

    kornia = {"RandomGrayscale": applied("grayscale")}
    torchvision = {"RandomGrayscale": applied("grayscale")}
    kornia_writers = {"RandomGrayscale": lambda _entries, _step: {}}
