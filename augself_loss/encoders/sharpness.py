"""Sharpness."""

from __future__ import annotations

from typing_extensions import Self

from augself_loss.encoders.base import Step
from augself_loss.encoders.regression import RegressionEncoder, as_fixed
from augself_loss.parameters import Range


class SharpnessEncoder(RegressionEncoder):
    """Sharpness: blend factor, 0 fully smoothed, 1 unchanged (identity), above 1 sharpened.

    Args:
        sharpness: sampling range ``(low, high)``, or one fixed factor.

    Raises:
        EncoderError: not a range, or only the factor 1.
    """

    name = "sharpness"
    columns = ("sharpness",)
    identity = (1.0,)

    def __init__(self, sharpness: float | Range = (0.0, 2.0)) -> None:
        super().__init__(as_fixed(sharpness))

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's range."""
        return cls(sharpness=step.config["sharpness"])

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from torchvision's fixed factor."""
        return cls(sharpness=float(step.config["sharpness_factor"]))

    kornia = {"RandomSharpness": lambda step: {"sharpness": (step.params["sharpness"],)}}
    torchvision = {
        "RandomAdjustSharpness": lambda step: {
            "sharpness": (float(step.config["sharpness_factor"]),)
        }
    }
    kornia_writers = {
        "RandomSharpness": lambda entries, _step: {"sharpness": entries["sharpness"][0]}
    }
