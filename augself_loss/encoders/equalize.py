"""Histogram equalization."""

from __future__ import annotations

from augself_loss.encoders.base import Step
from augself_loss.encoders.binary import BinaryEncoder, applied
from augself_loss.errors import PipelineError


class EqualizeEncoder(BinaryEncoder):
    """Histogram equalization: 1 where the histogram was equalized. Target as for the flip."""

    name = "equalize"
    columns = ("equalize",)

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse albumentations' mask: what lies outside of it stays as it was.

        Raises:
            PipelineError: ``mask`` is set.
        """
        if step.config.get("mask") is not None:
            raise PipelineError(
                f"Expected '{step.name}' to equalize the whole image, found a mask: its record "
                "cannot say where. Leave mask out, or leave it out of the record with "
                f"ignore=[{step.name}]."
            )

    kornia = {"RandomEqualize": applied("equalize")}
    torchvision = {"RandomEqualize": applied("equalize")}
    albumentations = {"Equalize": applied("equalize")}
    kornia_writers = {"RandomEqualize": lambda _entries, _step: {}}
    albumentations_writers = {"Equalize": lambda _entries, _step: {}}
