"""Looks at what a Kornia recorder is given, and refuses what is no image for its pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.encoders.base import Step
from augself_loss.encoders.color import FACTORS, active_factors
from augself_loss.errors import ImageError
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

MASK_HINT = " For masks of class ids use replay(masks, record, kind='mask')."


class ImageCheck:
    """Refuses images of another dtype, shape or range.

    Args:
        photometric: whether the pipeline changes values, not only where they lie.
        coloured: names of the augmentations that work on three channels only.
        look: whether to look at values at all: at the first batch's, and at all that are replayed.
    """

    def __init__(self, photometric: bool, coloured: Iterable[str], look: bool) -> None:
        self.coloured = list(coloured)
        # Normalized images may pass a pipeline that only moves pixels; Kornia clamps all others.
        self.limits = (0.0, 1.0) if photometric else (-10.0, 10.0)
        self.look = self.first = look

    def __call__(self, images: Tensor) -> None:
        """Check a batch that is to be augmented; its values only until a batch was right."""
        self._check_form(images)
        if self.first and not images.is_meta:
            self._check_range(*_limits(images))
            self.first = False

    def replayed(self, images: Tensor) -> None:
        """Check a batch that a record is replayed on; its values each time, which is a sync."""
        self._check_form(images, MASK_HINT)
        if not self.look or images.is_meta:
            return
        low, high = _limits(images)
        if high > 1 and bool((images == images.round()).all()):
            raise ImageError(
                f"replay expected images in [0, 1], found integers from {low:g} to {high:g}, "
                f"which interpolation would mix.{MASK_HINT}"
            )
        self._check_range(low, high)

    def _check_form(self, images: Tensor, hint: str = "") -> None:
        if not isinstance(images, Tensor) or images.ndim != 4 or 0 in images.shape:
            found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ImageError(
                f"KorniaRecorder expected a tensor of images (B, C, H, W), found {found}. Stack "
                f"tensors of one size: torch.stack(images).{hint}"
            )
        if not images.is_floating_point():
            raise ImageError(
                f"KorniaRecorder expected floating-point images in [0, 1], found {images.dtype}. "
                f"Convert them: images.float() / 255.{hint}"
            )
        if self.coloured and images.shape[1] != 3:
            raise ImageError(
                f"KorniaRecorder expected images of three channels for '{self.coloured[0]}', "
                f"found {images.shape[1]}. Repeat a grey channel, images.expand(-1, 3, -1, -1), "
                f"or take saturation and hue out of the pipeline.{hint}"
            )

    def _check_range(self, low: float, high: float) -> None:
        if not (low >= self.limits[0] - 1e-3 and high <= self.limits[1] + 1e-3):  # NaN is neither
            raise ImageError(
                f"KorniaRecorder expected images in [0, 1], found values from {low:.4g} to "
                f"{high:.4g}, which Kornia would clamp. Divide images in 0–255 by 255, and "
                "normalize after the augmentation."
            )


def _limits(images: Tensor) -> tuple[float, float]:
    low, high = torch.stack(torch.aminmax(images.detach().float())).tolist()
    return low, high


def needs_colour(module: nn.Module, config: Mapping[str, Any]) -> bool:
    """Whether one of Kornia's augmentations fails on images without three channels."""
    name = type(module).__name__
    if name in {"RandomSaturation", "RandomHue"}:
        return True
    if name == "RandomGrayscale":
        return ONLY_APPLIED_ROWS  # since 0.9 it takes grey images too
    if name not in {"ColorJitter", "ColorJiggle"}:
        return False
    active = {FACTORS[i] for i in active_factors(Step(name, {}, config, (0, 0)))}
    return "hue" in active or (name == "ColorJiggle" and "saturation" in active)
