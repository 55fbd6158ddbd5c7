"""Replays on what belongs to an image: masks and boxes, which move and never change their values.

Kornia's own masks and boxes need the image beside them, and read boxes in another convention by
version; here a step is run on the mask itself, and a box is moved by the step's own numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from kornia.augmentation import IntensityAugmentationBase2D
from kornia.augmentation import Resize as KorniaResize
from kornia.constants import Resample
from torch import Tensor, nn

from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import ImageError, PipelineError
from augself_loss.recording.frame import Placed
from augself_loss.recording.kornia.known import is_host
from augself_loss.recording.kornia.replay import Replayed, Writer, check_fixed_order, drawn_by

VALUES_ONLY = frozenset({"Normalize", "Denormalize", "Identity"})
"""Modules without randomness that move no pixel."""


def replay_masks(given: Replayed, masks: Tensor) -> Tensor:
    """Move masks as a record says, by nearest neighbours.

    Args:
        given: the pipeline and its record.
        masks: ``(B, H, W)`` or ``(B, C, H, W)``, any dtype.

    Returns:
        The views' masks, in the same form and dtype.

    Raises:
        ImageError: another shape, or whole numbers that float64 does not hold.
        PipelineError: a step cannot be replayed on masks.
    """
    if not isinstance(masks, Tensor) or masks.ndim not in (3, 4) or 0 in masks.shape:
        found = tuple(masks.shape) if isinstance(masks, Tensor) else type(masks).__name__
        raise ImageError(f"replay expected masks (B, H, W) or (B, C, H, W), found {found}.")
    # Kornia moves floating-point numbers only; float64 holds every class id.
    pixels = masks if masks.is_floating_point() else masks.double()
    with _MaskWriter(given, len(masks)) as writer:
        moved = writer.run(given.pipeline, pixels if masks.ndim == 4 else pixels.unsqueeze(1))
    return (moved if masks.ndim == 4 else moved.squeeze(1)).to(masks.dtype)


def replay_boxes(given: Replayed, boxes: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Move boxes as a record says.

    Args:
        given: the pipeline and its record.
        boxes: ``(B, N, 4)``: left, top, right, bottom in pixels, the image from 0 to its size.
        size: height and width of the images.

    Returns:
        Boxes ``(B, N, 4)`` in the views, enclosing what they held, clipped to the view.

    Raises:
        ImageError: another shape, no size, or right before left.
        PipelineError: a step cannot be replayed on boxes.
    """
    if not isinstance(boxes, Tensor) or boxes.ndim != 3 or boxes.shape[-1] != 4:
        found = tuple(boxes.shape) if isinstance(boxes, Tensor) else type(boxes).__name__
        raise ImageError(
            "replay expected boxes (B, N, 4) as left, top, right, bottom in pixels, found "
            f"{found}. Pad images with fewer boxes by zeros."
        )
    if size is None or len(size) != 2:
        raise ImageError(
            f"replay of boxes expected size=(height, width) of their images, found {size!r}."
        )
    corners = boxes if boxes.is_floating_point() else boxes.float()
    if bool((corners[..., :2] > corners[..., 2:]).any()):
        raise ImageError(
            "replay expected boxes as left, top, right, bottom, found some with right < left or "
            "bottom < top. Convert them, e.g. torchvision.ops.box_convert(boxes, 'xywh', 'xyxy')."
        )
    writer = _BoxWriter(given, len(boxes), size)
    return writer.run(given.pipeline, corners)


class _MovedWriter(Writer, ABC):
    """Walks a pipeline step by step, past those that change values only."""

    def run(self, module: nn.Module, things: Tensor) -> Tensor:
        """Run one module on masks or boxes."""
        if module in self.config:
            return self._run_leaf(module, things)
        if self.wiring.is_ignored(module):
            return self._skipped(module, things)
        if isinstance(module, nn.Sequential):
            if self.is_recorded(module):
                check_fixed_order(module)
            for child in module.children():
                things = self.run(child, things)
            return things
        if isinstance(module, KorniaResize):
            return self.resize(module, things)
        if type(module).__name__ in VALUES_ONLY or module in self.wiring.inert:
            return things
        raise _unknown(module, "Use kornia.augmentation.Resize to change the size")

    def _run_leaf(self, module: nn.Module, things: Tensor) -> Tensor:
        if not is_host(module):
            self.next(module)
            return self._skipped(module, things)
        if isinstance(module, IntensityAugmentationBase2D):  # erasing too: it moves no pixel
            self.next(module)
            return things
        return self.move(module, things)

    def _skipped(self, module: nn.Module, things: Tensor) -> Tensor:
        """Pass by a module of which nothing is known but that it changes values only."""
        if isinstance(module, IntensityAugmentationBase2D):
            return things
        raise _unknown(module, "Derive it from kornia.augmentation.IntensityAugmentationBase2D")

    @abstractmethod
    def move(self, module: nn.Module, things: Tensor) -> Tensor:
        """Move things as one recorded augmentation did."""

    @abstractmethod
    def resize(self, module: KorniaResize, things: Tensor) -> Tensor:
        """Move things as a change of size does."""


def _unknown(module: nn.Module, cure: str) -> PipelineError:
    return PipelineError(
        f"'{type(module).__name__}' cannot be replayed on masks or boxes: it is unknown whether "
        f"it moves pixels, and where to. {cure}."
    )


class _MaskWriter(_MovedWriter):
    """Runs each step that moves pixels on masks, with nearest neighbours."""

    def move(self, module: nn.Module, things: Tensor) -> Tensor:
        params = self.params(module, drawn_by(module, things))
        flags = getattr(module, "flags", {})
        # Interpolation of a slice takes no align_corners with nearest neighbours.
        sliced = {"align_corners": None} if flags.get("cropping_mode") == "slice" else {}
        return module(things, params=params, resample=Resample.NEAREST, **sliced)  # type: ignore[no-any-return]

    def resize(self, module: KorniaResize, things: Tensor) -> Tensor:
        nearest = {"resample": Resample.NEAREST, "align_corners": None, "antialias": False}
        return module(things, **nearest)  # type: ignore[no-any-return]


class _BoxWriter(_MovedWriter):
    """Moves boxes by the numbers of the record; ``size`` is that of the image reached so far."""

    def __init__(self, given: Replayed, count: int, size: tuple[int, int]) -> None:
        super().__init__(given, count)
        self.size = size

    def run(self, module: nn.Module, things: Tensor) -> Tensor:
        """Run one module on boxes."""
        return self._clipped(super().run(module, things))

    def move(self, module: nn.Module, things: Tensor) -> Tensor:
        step = Step(type(module).__name__, {}, self.config[module], self.size)
        self.catalogue.writer(step)
        name, entries, _ = self.next(module)
        encoder = self.catalogue.encoders[name]
        values = tuple(value.to(things)[:, None] for value in entries[name])
        if encoder.moves == "mirror":
            gates = Placed()
            encoder.act(gates, step, name, values, 1.0)
            return self._mirrored(things, gates)
        if encoder.moves == "crop":
            return self._cropped(module, things, values)
        degrees = encoder.turned_by(values)
        if degrees is None:
            raise _unknown(
                module, "Give its encoder a method turned_by that says how far it rotates"
            )
        return self._turned(things, degrees)

    def resize(self, module: KorniaResize, things: Tensor) -> Tensor:
        before = self.size
        blank = torch.zeros(1, 1, *before)
        self.size = (*module(blank, params=drawn_by(module, blank)).shape[-2:],)
        return things * things.new_tensor([self.size[i % 2] / before[i % 2] for i in (1, 0, 1, 0)])

    def _mirrored(self, boxes: Tensor, gates: Placed) -> Tensor:
        """Mirror boxes where a flip was applied; of an axis that is not flipped the gate is 0."""
        (left, top, right, bottom), (height, width) = boxes.unbind(-1), self.size
        if isinstance(gates.horizontal, Tensor):
            left, right = _mirrored(left, right, width, gates.horizontal)
        if isinstance(gates.vertical, Tensor):
            top, bottom = _mirrored(top, bottom, height, gates.vertical)
        return torch.stack([left, top, right, bottom], dim=-1)

    def _cropped(self, module: nn.Module, boxes: Tensor, box: Columns) -> Tensor:
        (height, width), (top, left, box_height, box_width) = self.size, box
        out_height, out_width = module.flags["size"]  # type: ignore[index]
        self.size = (int(out_height), int(out_width))
        x, y = boxes[..., 0::2], boxes[..., 1::2]
        x = (x - (left * width)[..., None]) * (out_width / (box_width * width))[..., None]
        y = (y - (top * height)[..., None]) * (out_height / (box_height * height))[..., None]
        return torch.stack([x, y], dim=-1).flatten(-2)

    def _turned(self, boxes: Tensor, degrees: Tensor) -> Tensor:
        """Turn boxes counter-clockwise about the image's centre, and enclose what comes out."""
        height, width = self.size
        angle = degrees * (math.pi / 180)
        cos, sin = torch.cos(angle)[..., None], torch.sin(angle)[..., None]
        # Rows run downwards: counter-clockwise for the eye is clockwise in (x, y).
        x = boxes[..., [0, 2, 2, 0]] - width / 2
        y = boxes[..., [1, 1, 3, 3]] - height / 2
        x, y = cos * x + sin * y + width / 2, cos * y - sin * x + height / 2
        return torch.stack([x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)], dim=-1)

    def _clipped(self, boxes: Tensor) -> Tensor:
        height, width = self.size
        limits = boxes.new_tensor([width, height, width, height])
        return torch.minimum(boxes.clamp_min(0), limits)


def _mirrored(low: Tensor, high: Tensor, side: int, gate: Tensor) -> tuple[Tensor, Tensor]:
    flipped = gate > 0.5
    return torch.where(flipped, side - high, low), torch.where(flipped, side - low, high)
