"""Affine maps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Motion, Step, Value
from augself_loss.encoders.maps import Canvas, about_centre, as_matrix, inverse, product
from augself_loss.encoders.regression import RegressionEncoder, telling
from augself_loss.encoders.rotation import check_centre
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range


class AffineEncoder(RegressionEncoder):
    """Affine map about the image's centre, 0 (scale: 1) where not applied.

    Columns: angle in degrees, *counter-clockwise*; translation x, y as fractions of the image's
    width and height, to the right and down; scale x, y; shear x, y in degrees, as the host
    defines them (the hosts shear in different order). Differences of angles go the short way round
    where the range spans more than half a turn.

    Args:
        angle: sampling range in degrees ``(low, high)``, ``None`` if it does not vary.
        translate_x: in fractions of the width, likewise.
        translate_y: in fractions of the height, likewise.
        scale_x: factor, likewise.
        scale_y: factor, likewise.
        shear_x: in degrees, likewise.
        shear_y: in degrees, likewise.

    Raises:
        EncoderError: a range of zero width, or none at all.
    """

    name = "affine"
    columns = (
        "angle", "translate_x", "translate_y", "scale_x", "scale_y", "shear_x", "shear_y",
    )  # fmt: skip
    identity = (0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)
    moves: Motion | None = "warp"
    by_size = True
    not_before = ("crop", "turn")
    circles = {0: 360.0}

    def __init__(
        self,
        angle: Range | None = (-30.0, 30.0),
        translate_x: Range | None = None,
        translate_y: Range | None = None,
        scale_x: Range | None = None,
        scale_y: Range | None = None,
        shear_x: Range | None = None,
        shear_y: Range | None = None,
    ) -> None:
        super().__init__(angle, translate_x, translate_y, scale_x, scale_y, shear_x, shear_y)

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:
        """A later flip turns the angle and the shears, and the translation along its axis."""
        angle, move_x, move_y, scale_x, scale_y, shear_x, shear_y = columns
        over_x, over_y = 1 - 2 * horizontal, 1 - 2 * vertical
        both = over_x * over_y
        return (
            angle * both, move_x * over_x, move_y * over_y, scale_x, scale_y,
            shear_x * both, shear_y * both,
        )  # fmt: skip

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:
        """Take back the move, then the turn, the scale and the shears about the centre."""
        angle, move_x, move_y, scale_x, scale_y, *shears = record[self.name].unbind(-1)
        cos, sin = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle))
        turn = about_centre((cos, sin, -sin, cos), canvas.after)
        scale = as_matrix(scale_x, 0.0, 0.0, 0.0, scale_y, 0.0)
        x, y = (torch.tan(torch.deg2rad(shear)) for shear in shears)
        # albumentations shears along both axes at once and last, the others along x and then y.
        last = canvas.library == "albumentations"
        shear = about_centre((1.0, -x, -y, 1.0 if last else 1 + x * y), canvas.after)
        parts = (shear, turn, scale) if last else (turn, scale, shear)
        if canvas.library == "torchvision":
            # It moves by whole pixels, which records cut to the range that was asked for.
            height, width = canvas.after
            move_x, move_y = (move_x * width).round() / width, (move_y * height).round() / height
        moved = as_matrix(1.0, 0.0, -2 * move_x, 0.0, 1.0, -2 * move_y)
        return product(inverse(product(product(parts[0], parts[1]), parts[2])), moved)

    @classmethod
    def _from_ranges(cls, **ranges: Range | None) -> Self:
        def symmetric(limits: Range | None) -> Range | None:
            reach = 0.0 if limits is None else max(abs(limits[0]), abs(limits[1]))
            return (-reach, reach)

        both = [ranges[k] if k.startswith("scale") else symmetric(ranges[k]) for k in cls.columns]
        return cls(*telling(both, cls.identity))

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse a map about another point than the image's centre, and what needs its size."""
        check_centre(step)
        pixels = step.config.get("translate_px") or {}
        if step.config.get("fit_output") or any(tuple(r) != (0, 0) for r in pixels.values()):
            raise PipelineError(
                f"'{step.name}' expected fit_output=False and shifts by translate_percent, found "
                f"fit_output={step.config.get('fit_output')}, translate_px={pixels}: with these "
                "the shift depends on each image's size. Change them, or leave it out of the "
                f"record with ignore=[{step.name}]."
            )

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's samplers; mirrored, the ranges hold both signs."""
        config = step.config
        return cls._from_ranges(
            angle=config.get("degree"),
            translate_x=config.get("translate_x"),
            translate_y=config.get("translate_y"),
            scale_x=config.get("scale_2"),
            scale_y=config.get("scale_4") or config.get("scale_2"),
            shear_x=config.get("shear_x"),
            shear_y=config.get("shear_y"),
        )

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from torchvision's arguments."""
        translate = step.config["translate"] or (0.0, 0.0)
        scale, shear = step.config["scale"], tuple(step.config["shear"] or (0.0, 0.0))
        return cls._from_ranges(
            angle=tuple(step.config["degrees"]),
            translate_x=(-translate[0], translate[0]),
            translate_y=(-translate[1], translate[1]),
            scale_x=scale and tuple(scale),
            scale_y=scale and tuple(scale),
            shear_x=shear[:2],
            shear_y=shear[2:4] or None,
        )

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' arguments; mirrored, likewise."""
        config = step.config
        percent = config["translate_percent"] or {"x": None, "y": None}
        return cls._from_ranges(
            angle=config["rotate"],
            translate_x=percent["x"],
            translate_y=percent["y"],
            scale_x=config["scale"]["x"],
            scale_y=config["scale"]["y"],
            shear_x=config["shear"]["x"],
            shear_y=config["shear"]["y"],
        )

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        move, scale = step.params["translations"], step.params["scale"]
        height, width = step.size
        # Kornia's affine angle turns clockwise.
        return {
            "affine": (
                -step.params["angle"], move[:, 0] / width, move[:, 1] / height,
                scale[:, 0], scale[:, 1], step.params["shear_x"], step.params["shear_y"],
            )
        }  # fmt: skip

    @staticmethod
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        height, width = step.size
        most = step.config.get("translate") or (float("inf"), float("inf"))
        # Rounded to whole pixels, the move may pass its range by less than half a pixel.
        move_x, move_y = (
            max(-limit, min(limit, pixels / side))
            for pixels, side, limit in zip(
                step.params["translate"], (width, height), most, strict=True
            )
        )
        scale = float(step.params["scale"])
        shear_x, shear_y = step.params["shear"]
        # torchvision's affine angle turns clockwise, unlike its RandomRotation.
        return {
            "affine": (
                -float(step.params["angle"]), move_x, move_y,
                scale, scale, float(shear_x), float(shear_y),
            )
        }  # fmt: skip

    @staticmethod
    def _read_albumentations(step: Step) -> Mapping[str, Columns]:
        (height, width), matrix = step.size, step.params["matrix"]
        angle, scale = step.params["rotate"], step.params["scale"]
        x, y = width / 2 - 0.5, height / 2 - 0.5
        (a, b, c), (d, e, f) = matrix[:2].tolist()
        moved_x, moved_y = a * x + b * y + c - x, d * x + e * y + f - y
        # The map is, about the centre, move · shear · turn · scale; turn and scale are told.
        a, b, d, e = a / scale["x"], b / scale["y"], d / scale["x"], e / scale["y"]
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        # albumentations negates both shears.
        shear_x, shear_y = math.atan(a * sin - b * cos), math.atan(-d * cos - e * sin)
        return {
            "affine": (
                angle, round(moved_x) / width, round(moved_y) / height, scale["x"], scale["y"],
                math.degrees(shear_x), math.degrees(shear_y),
            )
        }  # fmt: skip

    @staticmethod
    def _write_albumentations(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        angle, move_x, move_y, scale_x, scale_y, shear_x, shear_y = entries["affine"]
        height, width = step.size
        return {
            "rotate": (angle,) * 2,
            "translate_percent": None,
            "translate_px": {"x": (round(move_x * width),) * 2, "y": (round(move_y * height),) * 2},
            "scale": {"x": (scale_x,) * 2, "y": (scale_y,) * 2},
            "shear": {"x": (shear_x,) * 2, "y": (shear_y,) * 2},
            "balanced_scale": False,
            "keep_ratio": False,
        }

    kornia = {"RandomAffine": _read_kornia}
    torchvision = {"RandomAffine": _read_torchvision}
    albumentations = {"Affine": _read_albumentations, "ShiftScaleRotate": _read_albumentations}
    albumentations_writers = {
        "Affine": _write_albumentations, "ShiftScaleRotate": _write_albumentations,
    }  # fmt: skip
