"""Gamma correction."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.regression import RegressionEncoder, as_range, telling
from augself_loss.parameters import Range


class GammaEncoder(RegressionEncoder):
    """Gamma correction ``gain · x ** gamma``: exponent and gain, both 1 where not applied.

    Args:
        gamma: half-width around 1, or ``(low, high)``.
        gain: likewise; ``None`` (default) if the gain does not vary.

    Raises:
        EncoderError: a range of zero width, or none at all.
    """

    name = "gamma"
    columns = ("gamma", "gain")
    identity = (1.0, 1.0)

    def __init__(
        self, gamma: float | Range | None = 0.5, gain: float | Range | None = None
    ) -> None:
        super().__init__(as_range(gamma, 1.0, "gamma"), as_range(gain, 1.0, "gain"))

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's ranges; one that holds nothing but 1 does not vary."""
        limits = (step.config["gamma_factor"], step.config["gain_factor"])
        return cls(*telling(limits, cls.identity))

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' range, which counts in hundredths."""
        low, high = step.config["gamma_limit"]
        return cls(*telling([(low / 100, high / 100), None], cls.identity))

    @staticmethod
    def _read(step: Step) -> Mapping[str, Columns]:
        return {"gamma": (step.params["gamma_factor"], step.params["gain_factor"])}

    @staticmethod
    def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:  # noqa: ARG004
        return dict(zip(("gamma_factor", "gain_factor"), entries["gamma"], strict=True))

    kornia = {"RandomGamma": _read}
    albumentations = {"RandomGamma": lambda step: {"gamma": (step.params["gamma"], None)}}
    albumentations_writers = {"RandomGamma": lambda entries, _step: {"gamma": entries["gamma"][0]}}
    kornia_writers = {"RandomGamma": _write}
