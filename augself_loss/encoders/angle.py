"""Rotation by a free angle."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Motion, Step, Value
from augself_loss.encoders.maps import Canvas, about_centre
from augself_loss.encoders.regression import RegressionEncoder, as_range
from augself_loss.encoders.rotation import check_centre, turns_by_quarters
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range


class AngleEncoder(RegressionEncoder):
    """Rotation by a free angle: degrees, counter-clockwise, 0 where not applied.

    Differences go the short way round where the range spans more than half a turn.

    Args:
        degrees: half-width around 0, or ``(low, high)``.

    Raises:
        EncoderError: a range of zero width.
    """

    name = "angle"
    columns = ("degrees",)
    identity = (0.0,)
    moves: Motion | None = "warp"
    not_before = ("crop",)
    circles = {0: 360.0}

    def __init__(self, degrees: float | Range = 30.0) -> None:
        super().__init__(as_range(degrees, 0.0, "degrees"))

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:
        """A later flip in one direction turns the angle's sign."""
        return (columns[0] * (1 - 2 * horizontal) * (1 - 2 * vertical),)

    def turned_by(self, columns: Columns) -> Value:
        """By its degrees."""
        return columns[0]

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:
        """Turn back about the centre."""
        angle = torch.deg2rad(record[self.name].squeeze(-1))
        cos, sin = torch.cos(angle), torch.sin(angle)
        return about_centre((cos, -sin, sin, cos), canvas.after)

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from the range of degrees; mirrored, it holds both signs."""
        low, high = step.config["degrees"]
        return cls(degrees=max(abs(low), abs(high)))

    from_torchvision = from_kornia

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' range of degrees, likewise."""
        low, high = step.config["limit"]
        return cls(degrees=max(abs(low), abs(high)))

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse a rotation about another point than the image's centre, or one that crops."""
        check_centre(step)
        if step.config.get("crop_border"):
            raise PipelineError(
                f"'{step.name}' expected crop_border=False, found True: a record cannot hold the "
                "box that is cropped after the rotation. Pass crop_border=False, or leave it out "
                f"of the record with ignore=[{step.name}]."
            )

    @staticmethod
    def _read_matrix(step: Step) -> Mapping[str, Columns]:
        # Only the map is told, x to the right and y down: a turn about the centre.
        (cos, sin, _), *_ = step.params["matrix"].tolist()
        return {"angle": (math.degrees(math.atan2(sin, cos)),)}

    @classmethod
    def takes(cls, step: Step) -> bool:
        """Leave a RandomRotation by one multiple of 90° to the rotation encoder."""
        return step.name != "RandomRotation" or not turns_by_quarters(step)

    kornia = {"RandomRotation": lambda step: {"angle": (step.params["degrees"],)}}
    torchvision = {"RandomRotation": lambda step: {"angle": (float(step.params["angle"]),)}}
    albumentations = {"Rotate": _read_matrix}
    albumentations_writers = {
        "Rotate": lambda entries, _step: {"limit": (entries["angle"][0],) * 2}
    }
    kornia_writers = {"RandomRotation": lambda entries, _step: {"degrees": entries["angle"][0]}}
