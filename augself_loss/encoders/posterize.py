"""Posterization."""

from __future__ import annotations

from typing_extensions import Self

from augself_loss.encoders.base import Step
from augself_loss.encoders.regression import RegressionEncoder
from augself_loss.parameters import Range


class PosterizeEncoder(RegressionEncoder):
    """Posterization: bits kept per channel, 8 where not applied.

    Args:
        bits: sampling range ``(low, high)``, or one fixed number of bits.

    Raises:
        EncoderError: not a range, or only 8 bits.
    """

    name = "posterize"
    columns = ("bits",)
    identity = (8.0,)

    def __init__(self, bits: float | Range = (1.0, 8.0)) -> None:
        super().__init__((bits, bits) if isinstance(bits, (int, float)) else bits)

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's range."""
        return cls(bits=step.config["bit"])

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from torchvision's fixed number of bits."""
        return cls(bits=float(step.config["bits"]))

    kornia = {"RandomPosterize": lambda step: {"posterize": (step.params["bits_factor"],)}}
    torchvision = {"RandomPosterize": lambda step: {"posterize": (float(step.config["bits"]),)}}
    kornia_writers = {
        "RandomPosterize": lambda entries, _step: {"bits_factor": entries["posterize"][0].int()}
    }
