"""Flips, turns, fixed crops and sizes, solarize and normalize."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from kornia.constants import Resample
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from augself_loss.recording.kornia.fused.operation import (
    Drawn,
    Form,
    Operation,
    Prepared,
    ToSize,
    gate_of,
    size_of,
)
from augself_loss.recording.kornia.fused.row_wise import RowWise, Work


class HorizontalFlip(RowWise):
    """``RandomHorizontalFlip``."""

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Turn columns around."""
        return _flipped_across


class VerticalFlip(RowWise):
    """``RandomVerticalFlip``."""

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Turn rows around."""
        return _flipped_down


class Turn(Operation):
    """``RandomRotation90``, without the rounding of Kornia's warp."""

    makes_new = True

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """A square is turned onto itself."""
        height, width = images.shape[-2:]
        return None if height == width else "only square images are fused"

    @override
    def tolerance(self, side: int) -> float:
        """Kornia's warp rounds its coordinates, the more the larger an image is."""
        return 1e-5 + 4e-7 * side

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Say where each pixel of the turned square comes from."""
        (drawn,) = group
        times = drawn.params["times"].round().long().remainder(4)
        gate = gate_of(drawn)
        return Prepared({"times": times if gate is None else torch.where(gate, times, 0)})

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Turn by an index."""
        side = images.shape[-1]
        numbers = torch.arange(side * side, device=images.device).view(side, side)
        quarters = torch.stack([numbers.rot90(times, (0, 1)) for times in range(4)])
        places = quarters.view(4, 1, -1)[prepared.columns["times"]]
        flat = images.flatten(2)
        return flat.gather(2, places.expand_as(flat)).view(images.shape)


class Solarize(RowWise):
    """``RandomSolarize``."""

    @override
    def columns(self, drawn: Drawn) -> dict[str, Tensor]:
        """List thresholds, and additions if there are any."""
        names, added = ["thresholds"], drawn.params.get("additions")
        if added is not None and (added.device.type != "cpu" or bool(added.any())):
            names.append("additions")
        return {name: drawn.params[name] for name in names}

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Invert what is not below the threshold."""
        return _solarized


class Normalize(Operation):
    """``Normalize``."""

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Read mean and standard deviation of the channels."""
        flags = group[0].module.flags
        return Prepared({name: flags[name].reshape(-1, 1, 1) for name in ("mean", "std")})

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It is applied always, with a number or one per channel."""
        if module.p != 1 or module.p_batch != 1:
            return "a probability below 1 is not fused"
        numbers = {module.flags[name].numel() for name in ("mean", "std")}
        return (
            None if numbers <= {1, images.shape[1]} else "several numbers per image are not fused"
        )

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Subtract and divide."""
        return images.sub_(prepared.columns["mean"]).div_(prepared.columns["std"])


class MiddleCrop(ToSize):
    """``CenterCrop`` by a slice."""

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It slices; what Kornia refuses is left to Kornia."""
        if module.flags["cropping_mode"] != "slice":
            return "cropping_mode='resample' is not fused"
        if any(a > b for a, b in zip(module.flags["size"], images.shape[-2:], strict=True)):
            return "images smaller than the crop are not fused"
        return None if module.p_batch == 1 else "a probability below 1 is not fused"

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Remember the size."""
        return Prepared(known=size_of(group))

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Cut the middle out."""
        height, width = prepared.known
        top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
        return images[..., top : top + height, left : left + width]


class Sized(ToSize):
    """``Resize`` to a fixed size."""

    makes_new = True
    ways: ClassVar[dict[Resample, str]] = {
        Resample.BILINEAR: "bilinear",
        Resample.BICUBIC: "bicubic",
    }

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It interpolates to a height and a width."""
        flags = module.flags
        if not isinstance(flags["size"], (tuple, list)):
            return "a size of one side is not fused"
        if flags["resample"] not in self.ways or flags["antialias"]:
            return "this interpolation is not fused"
        return None if module.p_batch == 1 else "a probability below 1 is not fused"

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Remember how."""
        flags = group[0].module.flags
        way = self.ways[flags["resample"]]
        return Prepared(known=(size_of(group), way, flags["align_corners"]))

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Interpolate."""
        size, way, aligned = prepared.known
        if images.shape[-2:] == size:
            return images.clone()
        return functional.interpolate(images, size, mode=way, align_corners=aligned)


def _flipped_across(images: Tensor, _: Mapping[str, Tensor]) -> Tensor:
    return images.flip(-1)


def _flipped_down(images: Tensor, _: Mapping[str, Tensor]) -> Tensor:
    return images.flip(-2)


def _solarized(images: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    images = images.clamp(0.0, 1.0)
    if "additions" in columns:
        images = (images + _per_row(columns["additions"])).clamp(0.0, 1.0)
    return torch.where(images < _per_row(columns["thresholds"]), images, 1.0 - images)


def _per_row(column: Tensor) -> Tensor:
    return column[:, None, None, None]
