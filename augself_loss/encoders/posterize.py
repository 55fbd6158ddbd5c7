"""Posterization."""

from __future__ import annotations

import math
from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step
from augself_loss.encoders.regression import RegressionEncoder, as_fixed
from augself_loss.errors import PipelineError
from augself_loss.parameters import Field, Range


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
    # Posterization to 8 bits may still round the view, which a bitwise replay has to know.
    extras = {"posterize_applied": Field(("applied",), (0.0,))}

    def __init__(self, bits: float | Range = (1.0, 8.0)) -> None:
        super().__init__(as_fixed(bits))

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's range."""
        return cls(bits=step.config["bit"])

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from torchvision's fixed number of bits."""
        return cls(bits=float(step.config["bits"]))

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' range of bits, 1 to 7."""
        low, high = step.config["num_bits"]
        return cls(bits=(float(low), float(high)))

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse Kornia's 8 bits alone: they round its float images, and stand for not applied.

        Of torchvision the image decides, see its reader: of most, 8 bits are all that there is.
        Of albumentations refuse bits channel by channel.
        """
        if isinstance(step.config.get("num_bits"), list):
            raise PipelineError(
                f"'{step.name}' expected the same number of bits for all channels, found "
                f"num_bits={step.config['num_bits']}. Pass one range for all channels, or leave "
                f"it out of the record with ignore=[{step.name}]."
            )
        limits = step.config.get("bit")
        if limits is not None and min(limits) >= 8:
            raise PipelineError(
                f"'{step.name}' expected fewer than 8 bits, found {limits}: on floating-point "
                "images, 8 bits still round, and the record cannot tell that from not applied. "
                f"Lower the bits, or leave it out of the record with ignore=[{step.name}]."
            )

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        return {"posterize": (step.params["bits_factor"],), "posterize_applied": (1.0,)}

    @staticmethod
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        bits = float(step.config["bits"])
        # Integers have log2(white + 1) bits, signed ones one less than their width.
        depth = math.log2(step.white + 1) if step.white > 1 else math.inf
        if bits < min(8, depth):
            return {"posterize": (bits,), "posterize_applied": (1.0,)}
        if bits < depth:
            raise PipelineError(
                "'RandomPosterize' expected fewer than 8 bits for images of more than 8 bits, "
                f"found {bits:g}: it still rounds them, and 8 in the record means not applied. "
                "Convert the images to uint8 first, or leave it out of the record with "
                "ignore=[RandomPosterize]."
            )
        return {"posterize": PosterizeEncoder.identity, "posterize_applied": (1.0,)}

    @staticmethod
    def _read_bits(step: Step) -> Mapping[str, Columns]:
        return {"posterize": (float(step.params["num_bits"]),), "posterize_applied": (1.0,)}

    kornia = {"RandomPosterize": _read_kornia}
    torchvision = {"RandomPosterize": _read_torchvision}
    albumentations = {"Posterize": _read_bits}
    albumentations_writers = {
        "Posterize": lambda entries, _step: {"num_bits": int(entries["posterize"][0])}
    }
    kornia_writers = {
        "RandomPosterize": lambda entries, _step: {"bits_factor": entries["posterize"][0].int()}
    }
