"""Gaussian blur."""

from __future__ import annotations

import math
from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.in_place import Image, InPlace, Params, Row, Starts
from augself_loss.encoders.regression import RegressionEncoder, as_fixed
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range


class BlurEncoder(RegressionEncoder):
    """Gaussian blur: σ in pixels of the image it was applied to, 0 where it was not.

    Target: ``(σ_a − σ_b) / span``. Under ``preset="paper"`` the span is 1, as in the released
    code: differences then reach ±2 against a tanh output. By default it is the largest σ.

    Args:
        sigma: sampling range ``(low, high)`` in pixels, or one fixed σ.

    Raises:
        EncoderError: not a range, or only σ = 0.

    Reference:
        Lee et al., NeurIPS 2021, section 3.2 (blur); loss MSE(tanh(φ), ω_diff).

    Example:
        >>> BlurEncoder(sigma=(0.1, 2.0)).difference(
        ...     {"blur": torch.tensor([[2.0]])}, {"blur": torch.tensor([[0.0]])}
        ... )
        tensor([[1.]])
    """

    name = "blur"
    columns = ("sigma",)
    identity = (0.0,)

    def __init__(self, sigma: float | Range = (0.1, 2.0)) -> None:
        super().__init__(as_fixed(sigma))

    def span(self, column: int) -> float:
        """Width by which the difference is divided: 1 in the paper's preset."""
        return 1.0 if self.preset == "paper" else super().span(column)

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from a Kornia blur's range of σ."""
        return cls(sigma=step.config["sigma"])

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from a torchvision blur's range of σ."""
        low, high = step.config["sigma"]
        return cls(sigma=(low, high))

    @staticmethod
    def _place(row: Row, starts: Starts, params: Params, image: Image) -> None:  # noqa: ARG004
        sigma = params["sigma"]  # v1: a number; v2: [σ_x, σ_y], both the same
        row[starts["blur"]] = sigma if isinstance(sigma, (int, float)) else sigma[0]

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from an albumentations blur's range of σ."""
        low, high = step.config["sigma_limit"]
        return cls(sigma=(low, high))

    @staticmethod
    def _read_kernel(step: Step) -> Mapping[str, Columns]:
        # Only the kernel is told. It is exp(-x² / 2σ²); one that leaves pixels alone is none.
        kernel = step.params["kernel"]
        middle = len(kernel) // 2
        fall = float(kernel[middle + 1] / kernel[middle]) if middle else 0.0
        return {"blur": (math.sqrt(-0.5 / math.log(fall)) if fall > 0 else 0.0,)}

    @staticmethod
    def _write_sigma(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        sizes = step.config["blur_limit"]
        if sizes[0] != sizes[1]:
            raise PipelineError(
                f"'{step.name}' expected one kernel size, found blur_limit={sizes}: the record "
                "does not hold the size that was drawn, so it cannot be replayed. Pass one size, "
                "or 0 to derive it from σ."
            )
        return {"sigma_limit": (entries["blur"][0],) * 2}

    kornia = {"RandomGaussianBlur": lambda step: {"blur": (step.params["sigma"],)}}
    torchvision = {"GaussianBlur": InPlace(_place, blur=1)}
    albumentations = {"GaussianBlur": _read_kernel}
    albumentations_writers = {"GaussianBlur": _write_sigma}
    kornia_writers = {"RandomGaussianBlur": lambda entries, _step: {"sigma": entries["blur"][0]}}
