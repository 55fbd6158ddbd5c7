"""Gaussian blur."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step
from augself_loss.encoders.regression import RegressionEncoder, as_fixed
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
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        sigma = step.params["sigma"]  # v1: a number; v2: [σ_x, σ_y], both the same
        return {"blur": (sigma if isinstance(sigma, (int, float)) else sigma[0],)}

    kornia = {"RandomGaussianBlur": lambda step: {"blur": (step.params["sigma"],)}}
    torchvision = {"GaussianBlur": _read_torchvision}
    kornia_writers = {"RandomGaussianBlur": lambda entries, _step: {"sigma": entries["blur"][0]}}
