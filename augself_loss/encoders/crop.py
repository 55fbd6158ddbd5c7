"""Crops: which box of the source image a view shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Real

import torch
from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Draft, Encoder, Motion, Step, Value
from augself_loss.encoders.boxes import (
    between_centres,
    centred,
    fractions,
    put_box,
    span_of,
    spanned,
)
from augself_loss.encoders.in_place import Image, InPlace, Params, Row, Starts
from augself_loss.encoders.maps import Canvas, as_matrix
from augself_loss.encoders.regression import LARGEST, RegressionEncoder
from augself_loss.errors import EncoderError

SIDES = ("top", "bottom", "left", "right")
ALBUMENTATIONS_CROPS = (
    "RandomResizedCrop", "RandomCrop", "CenterCrop", "Crop", "RandomSizedCrop",
    "RandomCropFromBorders", "CropNonEmptyMaskIfExists", "RandomCropNearBBox", "BBoxSafeRandomCrop",
    "RandomSizedBBoxSafeCrop", "AtLeastOneBBoxRandomCrop",
)  # fmt: skip
"""They all say which box of the image, or of its padded canvas, they cut out."""


class CropEncoder(RegressionEncoder):
    """Crop box (top, left, height, width) as fractions of the source image.

    Target: difference of the centres (y, x) and of the sizes (height, width), in the frame of the
    *first* view: where that view is flipped, the difference is mirrored. So 1→2 and 2→1 are not
    each other's negatives when the flips differ.

    A box may reach beyond the image, where that was padded. Differences along an axis are then
    divided by the length that both boxes and the image span together, so that they stay within
    [−1, 1]; inside of the image that length is 1.

    Args:
        reach: how far a box may reach beyond the image, as a fraction of it: 0 for never, infinity
            for as far as you like. By default 1.

    Reference:
        Lee et al., NeurIPS 2021, section 3.2 (crop); loss MSE(tanh(φ), ω_diff).

    Example:
        >>> record = {"crop": torch.tensor([[0.0, 0.5, 0.5, 0.5]]), "flip": torch.zeros(1, 1)}
        >>> whole = {"crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]]), "flip": torch.zeros(1, 1)}
        >>> CropEncoder().difference(record, whole)
        tensor([[-0.2500,  0.2500, -0.5000, -0.5000]])
    """

    name = "crop"
    columns = ("top", "left", "height", "width")
    identity = (0.0, 0.0, 1.0, 1.0)
    frame = ("flip",)
    optional = ("vertical_flip",)
    moves: Motion | None = "crop"
    by_size = True
    settles = True
    tells_applied = False  # a box may well be the whole image

    def __init__(self, reach: float = 1.0) -> None:
        far = min(_reach(reach), LARGEST / 4)
        corner, size = (-far, 1 + far), (0.0, 1 + 2 * far)
        super().__init__(corner, corner, size, size)

    @property
    def inside(self) -> bool:
        """Whether boxes never reach beyond the image."""
        return all(limits is not None and limits[0] >= 0 >= limits[1] - 1 for limits in self.ranges)

    def holds(self, other: Encoder) -> bool:
        """Whether targets are right for another pipeline's boxes: by any but ``reach=0``, all."""
        return not self.inside or super().holds(other)

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:  # noqa: ARG002
        """Cut the box out of the view."""
        draft.crop(columns, step, gate)

    def settled(self, draft: Draft) -> Columns:
        """The part of the source that the view shows in the end."""
        return draft.box

    def as_given(self, columns: Columns, before: Draft, after: Draft) -> Columns:  # noqa: ARG002
        """Find the box in the frame that the view had reached."""
        return before.from_source(columns)

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:
        """Build the encoder from how a torchvision crop pads: as far as the images are small."""
        pads = step.config.get("padding") or step.config.get("pad_if_needed")
        crops = step.name == "RandomResizedCrop" or (step.name == "RandomCrop" and not pads)
        return cls(reach=0.0 if crops else math.inf)

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from a Kornia crop: all but RandomResizedCrop may pad."""
        return cls(reach=0.0 if step.name == "RandomResizedCrop" else math.inf)

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from whether an albumentations crop pads."""
        pads = step.name.startswith("Pad") or step.config.get("pad_if_needed")
        return cls(reach=math.inf if pads else 0.0)

    def absolute(self, record: Mapping[str, Tensor]) -> Tensor:
        """Describe one view: centre y, centre x, height, width, ``(B, 4)``, source frame."""
        return centred(record["crop"])

    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make ω_diff: Δ centre y, Δ centre x, Δ height, Δ width, ``(B, 4)``, in view a's frame."""
        box_a, box_b = record_a["crop"], record_b["crop"]
        difference = centred(box_a - box_b)
        if not self.inside:
            difference = difference / spanned(box_a, box_b)
        return _mirrored(difference, record_a)

    def second_box(self, record_a: Mapping[str, Tensor], difference: Tensor) -> Tensor:
        """Find the box of view b from view a's record and a difference a→b, e.g. a predicted one.

        Args:
            record_a: record of the first view, entries ``(B, columns)``.
            difference: ``(B, 4)`` as :meth:`difference` makes it.

        Returns:
            Box (top, left, height, width), ``(B, 4)``, as fractions of the source image.
        """
        first, moved = record_a["crop"], _mirrored(difference, record_a)
        if not self.inside:
            moved = moved * span_of(first, moved)
        second = centred(first) - moved
        y, x, height, width = second.unbind(-1)
        return torch.stack([y - height / 2, x - width / 2, height, width], dim=-1)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:
        """Put the view back into its box, edge to edge or by the centres of its last pixels."""
        y, x, *sides = self.absolute(record).unbind(-1)
        if canvas.by_centres:
            sides = list(map(between_centres, sides, canvas.before, canvas.after))
        return as_matrix(sides[1], 0.0, 2 * x - 1, 0.0, sides[0], 2 * y - 1)

    @staticmethod
    def _kornia_box(step: Step) -> Mapping[str, Columns]:
        if "input_size" not in step.params:  # until 0.8, where the whole batch was skipped
            return {"crop": CropEncoder.identity}
        corners, sizes = step.params["src"], step.params["input_size"]
        height, width = sizes[:, 0], sizes[:, 1]
        left, top = corners[:, 0, 0], corners[:, 0, 1]
        box_width = corners[:, 1, 0] - left + 1
        box_height = corners[:, 2, 1] - top + 1
        return {"crop": fractions((top, left, box_height, box_width), (height, width))}

    @staticmethod
    def _kornia_padded_box(step: Step) -> Mapping[str, Columns]:
        if "input_size" not in step.params:  # until 0.8, where the whole batch was skipped
            return {"crop": CropEncoder.identity}
        # Corners and sizes are those of the padded canvas; padding: left, right, top, bottom.
        corners, sizes = step.params["src"], step.params["input_size"]
        pad_left, pad_right, pad_top, pad_bottom = step.params["padding_size"].unbind(-1)
        height, width = sizes[:, 0] - pad_top - pad_bottom, sizes[:, 1] - pad_left - pad_right
        top, left = corners[:, 0, 1] - pad_top, corners[:, 0, 0] - pad_left
        box_width = corners[:, 1, 0] - corners[:, 0, 0] + 1
        box_height = corners[:, 2, 1] - corners[:, 0, 1] + 1
        if step.config.get("cropping_mode") == "slice":
            # A slice ends where the canvas does; what is larger than the canvas is stretched.
            box_height = torch.minimum(box_height, sizes[:, 0])
            box_width = torch.minimum(box_width, sizes[:, 1])
        return {"crop": fractions((top, left, box_height, box_width), (height, width))}

    @staticmethod
    def _place(row: Row, starts: Starts, params: Params, image: Image) -> None:
        top, left = params["top"], params["left"]
        if "padding" in params:  # v2's RandomCrop reports it as (left, top, right, bottom)
            top, left = top - params["padding"][1], left - params["padding"][0]
        put_box(row, starts["crop"], (top, left, params["height"], params["width"]), image)

    @staticmethod
    def _torchvision_centre(step: Step) -> Mapping[str, Columns]:
        (height, width), (box_height, box_width) = step.size, step.config["size"]
        # A crop larger than the image pads both sides; torchvision rounds each half its own way.
        top, left = (
            round((side - box) / 2) if box <= side else -((box - side) // 2)
            for side, box in ((height, box_height), (width, box_width))
        )
        return {"crop": fractions((top, left, box_height, box_width), step.size)}

    @staticmethod
    def _torchvision_pad(step: Step) -> Mapping[str, Columns]:
        height, width = step.size
        left, top, right, bottom = padding_sides(step.config["padding"])
        box = (-top / height, -left / width)
        return {"crop": (*box, 1 + (top + bottom) / height, 1 + (left + right) / width)}

    @staticmethod
    def _place_coords(row: Row, starts: Starts, params: Params, image: Image) -> None:
        left, top, right, bottom = params["crop_coords"]
        height, width = bottom - top, right - left
        pads = params.get("pad_params")  # it is padded first, and the box is the canvas's
        if pads:
            top, left = top - pads["pad_top"], left - pads["pad_left"]
        put_box(row, starts["crop"], (top, left, height, width), image)

    @staticmethod
    def _albumentations_pad(step: Step) -> Mapping[str, Columns]:
        height, width = step.size
        top, bottom, left, right = (step.params[f"pad_{side}"] for side in SIDES)
        corner = (-top / height, -left / width)
        return {"crop": (*corner, 1 + (top + bottom) / height, 1 + (left + right) / width)}

    @staticmethod
    def _write_albumentations(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        (image_height, image_width), (top, left, height, width) = step.size, entries["crop"]
        y, x = round(top * image_height), round(left * image_width)
        bottom, right = y + round(height * image_height), x + round(width * image_width)
        around = (-y, bottom - image_height, -x, right - image_width)
        pads = {f"pad_{side}": max(0, by) for side, by in zip(SIDES, around, strict=True)}
        if step.name.startswith("Pad"):
            return pads
        y, x = y + pads["pad_top"], x + pads["pad_left"]
        bottom, right = bottom + pads["pad_top"], right + pads["pad_left"]
        coords: dict[str, Value] = {"crop_coords": (x, y, right, bottom)}
        if "pad_if_needed" in step.config:
            coords["pad_params"] = pads if any(pads.values()) else None
        return coords

    @staticmethod
    def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        top, left, height, width = entries["crop"]
        image_height, image_width = step.size
        # Pixels are whole numbers: rounding takes back what the division by the size lost.
        y0, x0 = (top * image_height).round(), (left * image_width).round()
        y1 = y0 + (height * image_height).round() - 1
        x1 = x0 + (width * image_width).round() - 1
        corners = torch.stack([x0, y0, x1, y0, x1, y1, x0, y1], dim=-1)
        return {"src": corners.reshape(-1, 4, 2)}

    kornia = {
        "RandomResizedCrop": _kornia_box,
        "CenterCrop": _kornia_box,
        "RandomCrop": _kornia_padded_box,
    }
    torchvision = {
        **dict.fromkeys(("RandomResizedCrop", "RandomCrop"), InPlace(_place, crop=4)),
        "CenterCrop": _torchvision_centre,
        "Pad": _torchvision_pad,
    }
    albumentations = {
        **dict.fromkeys(ALBUMENTATIONS_CROPS, InPlace(_place_coords, crop=4)),
        "Pad": _albumentations_pad,
        "PadIfNeeded": _albumentations_pad,
    }
    kornia_writers = {"RandomResizedCrop": _write}
    albumentations_writers = dict.fromkeys(albumentations, _write_albumentations)


def padding_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Read torchvision's padding, one, two or four numbers, as (left, top, right, bottom)."""
    sides = (padding,) if isinstance(padding, int) else tuple(padding)
    left, top, right, bottom = {1: sides * 4, 2: sides * 2}.get(len(sides), sides)
    return left, top, right, bottom


def _reach(value: object) -> float:
    """Read a reach.

    Raises:
        EncoderError: it is no number of at least 0.
    """
    number = -1.0
    if isinstance(value, Real):
        with suppress(OverflowError):
            number = float(value)
    if not number >= 0:
        raise EncoderError(
            f"reach expected a fraction of the image >= 0, found {value!r}. Divide boxes in "
            "pixels by the image's height and width."
        )
    return number


def _mirrored(difference: Tensor, record: Mapping[str, Tensor]) -> Tensor:
    """Take a crop difference between the source's frame and a view's, its own inverse."""
    y, x, size = torch.split(difference, [1, 1, 2], dim=-1)
    x = x * torch.rsub(record["flip"], 1, alpha=2)  # 1, or −1 where flipped
    if "vertical_flip" in record:
        y = y * torch.rsub(record["vertical_flip"], 1, alpha=2)
    return torch.cat([y, x, size], dim=-1)
