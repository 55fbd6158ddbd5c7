"""Solarization."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.regression import RegressionEncoder, as_fixed
from augself_loss.errors import EncoderError, PipelineError
from augself_loss.parameters import Field, Range

WHITE_8_BIT = 255.0


class SolarizeEncoder(RegressionEncoder):
    """Solarization: threshold as a fraction of the brightest value, 1 where not applied.

    Target: ``ω_a − ω_b``, compared element by element; the released code broadcasts (B, 1)
    against (B,).

    Args:
        threshold: sampling range ``(low, high)`` in [0, 1], or one fixed threshold.

    Raises:
        EncoderError: not a range in [0, 1], or only the threshold 1.

    Reference:
        Lee et al., NeurIPS 2021, section 4 (solarization); loss MSE(tanh(φ), ω_diff).
    """

    name = "solarize"
    columns = ("threshold",)
    identity = (1.0,)
    extras = {"solarize_addition": Field(("addition",), (0.0,))}

    def __init__(self, threshold: float | Range = (0.0, 1.0)) -> None:
        super().__init__(as_fixed(threshold))
        if any(not 0 <= limit <= 1 for limit in self.ranges[0] or ()):
            raise EncoderError(
                f"threshold expected a fraction of white in [0, 1], found {threshold!r}. Divide a "
                "threshold in 0–255 by 255."
            )

    def span(self, column: int) -> float:
        """Thresholds are fractions already: the difference is not divided, if it varies."""
        return 1.0 if super().span(column) > 0 else 0.0

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's range of thresholds."""
        return cls(threshold=step.config["thresholds"])

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from torchvision's fixed threshold.

        What fraction it is depends on the images' dtype: any, unless everything is inverted, or
        nothing: 256 is how one says so of 8-bit images.
        """
        threshold = float(step.config["threshold"])
        if WHITE_8_BIT < threshold <= WHITE_8_BIT + 1:
            return cls(threshold=1.0)
        return cls(threshold=(0.0, 1.0) if threshold > 0 else 0.0)

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' range of thresholds, fractions of white."""
        return cls(threshold=tuple(step.config["threshold_range"]))

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse threshold 1 alone: white is inverted, and Kornia's ``additions`` may vary."""
        if step.config.get("threshold_range") == (1.0, 1.0):
            raise PipelineError(
                f"'{step.name}' expected thresholds below 1, found (1, 1): it then inverts white "
                "pixels only, and a record cannot tell that from not applied. Lower the "
                f"thresholds, or leave it out of the record with ignore=[{step.name}]."
            )
        if step.config.get("thresholds") == (1.0, 1.0):
            raise PipelineError(
                f"'{step.name}' expected thresholds below 1, found (1, 1): its additions still "
                "change a view, and the record cannot tell that from not applied. Lower the "
                "thresholds, use RandomBrightness instead, or leave it out of the record with "
                f"ignore=[{step.name}]."
            )

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        return {
            "solarize": (step.params["thresholds"],),
            "solarize_addition": (step.params["additions"],),
        }

    @staticmethod
    def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:  # noqa: ARG004
        addition = entries["solarize_addition"][0]
        return {"thresholds": entries["solarize"][0], "additions": addition}

    kornia = {"RandomSolarize": _read_kornia}
    torchvision = {
        "RandomSolarize": lambda step: {
            "solarize": (fraction_of_white(step.config["threshold"], step.white),)
        }
    }
    albumentations = {"Solarize": lambda step: {"solarize": (step.params["threshold"],)}}
    albumentations_writers = {
        "Solarize": lambda entries, _step: {"threshold": entries["solarize"][0]}
    }
    kornia_writers = {"RandomSolarize": _write}


def fraction_of_white(threshold: float, white: float = WHITE_8_BIT) -> float:
    """Read a threshold that counts in the image's own values as a fraction of its brightest.

    Beyond the brightest value (256 of 8 bits) it changes nothing, like 1; below 0 everything, like
    0.
    """
    return max(0.0, min(1.0, threshold / white))
