"""Reads the parameters that stable-pretraining's own transforms write into their sample.

Every random transform of ``stable_pretraining.data.transforms`` notes in the sample what it drew.
What those notes lack is mended here: the size of the image, without which a box is no fraction; the
identity, where zeros stand for "skipped"; and repeated transforms, of which only two keep a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import nn

from augself_loss.encoders.base import Step
from augself_loss.errors import missing_extra
from augself_loss.recording.notes import note
from augself_loss.recording.torchvision.images import Seen, seen

try:
    from stable_pretraining.data import transforms
except ImportError as error:
    module = "augself_loss.adapters.stable_pretraining"
    raise missing_extra(module, "stable-pretraining", "stable-pretraining") from error

host: Any = transforms
IMAGE = "image"
"""Where a sample's picture is, for every transform and forward function of the host."""

Read: TypeAlias = Callable[[Any, bool], "Mapping[str, Any] | None"]
"""A transform's note, and whether the picture is another object since → what was drawn, under
torchvision's names; ``None`` where nothing was applied."""


def _numbers(note: Any) -> list[float]:
    return [float(number) for number in note]


def _applied(note: Any, _changed: bool) -> Mapping[str, Any] | None:
    return {} if note else None


def _box(note: Any, _changed: bool) -> Mapping[str, Any]:
    return dict(zip(("top", "left", "height", "width"), _numbers(note), strict=True))


def _padded_box(note: Any, changed: bool) -> Mapping[str, Any]:
    _needs_crop, *box, _needs_pad, left, top, right, bottom = _numbers(note)
    return {**_box(box, changed), "padding": (left, top, right, bottom)}


def _jitter(note: Any, _changed: bool) -> Mapping[str, Any] | None:
    factors, order = _numbers(note)[:4], _numbers(note)[4:]
    if not any(order):  # zeros stand for "skipped": no order of four operations is 0, 0, 0, 0
        return None
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    return {**dict(zip(names, factors, strict=True)), "fn_idx": order}


def _sigma(note: Any, _changed: bool) -> Mapping[str, Any] | None:
    return {"sigma": _numbers(note)} if any(note) else None


def _fixed_strength(note: Any, changed: bool) -> Mapping[str, Any] | None:
    # Skipped and applied with the strength 0 leave the same note.
    return {} if changed or any(note) else None


def _erased(note: Any, _changed: bool) -> Mapping[str, Any] | None:
    return dict(zip("ijhw", _numbers(note), strict=True)) if any(note) else None


def _coefficients(note: Any, _changed: bool) -> Mapping[str, Any] | None:
    return {"coefficients": _numbers(note)} if any(note) else None


def _affine(note: Any, _changed: bool) -> Mapping[str, Any]:
    angle, move_x, move_y, scale, shear_x, shear_y = _numbers(note)
    return {
        "angle": angle, "translate": (move_x, move_y), "scale": scale, "shear": (shear_x, shear_y),
    }  # fmt: skip


READERS: Mapping[type, Read] = {
    host.RandomResizedCrop: _box,
    host.RandomCrop: _padded_box,
    host.RandomHorizontalFlip: _applied,
    host.RandomVerticalFlip: _applied,
    host.RandomRotation: lambda note, _changed: dict(note),
    host.RandomAffine: _affine,
    host.RandomPerspective: _coefficients,
    host.RandomErasing: _erased,
    host.ColorJitter: _jitter,
    host.RandomGrayscale: _applied,
    host.RandomSolarize: _applied,
    host.RandomAutocontrast: _applied,
    host.RandomEqualize: _applied,
    host.RandomInvert: _applied,
    host.RandomPosterize: _fixed_strength,
    host.RandomAdjustSharpness: _fixed_strength,
    host.GaussianBlur: _sigma,
    host.PILGaussianBlur: _sigma,
    host.CenterCrop: lambda _note, _changed: {},
}
FIXED = (host.ToImage, host.RGB, host.Resize, host.RandomMask, host.ContextTargetsMultiBlockMask)
"""What leaves the picture's frame as it is; the masks are drawn beside the picture."""
NAMES = {host.PILGaussianBlur: "GaussianBlur"}
"""torchvision's name, where the host's is another."""


class Noted(nn.Module):
    """One of the host's transforms, whose note is read straight after it ran.

    Args:
        transform: it.
    """

    def __init__(self, transform: Any) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Run the transform on a sample, and read what it did."""
        before = sample[IMAGE]
        image = seen(before, type(self.transform).__name__)
        key = self.transform.get_name(sample)
        sample = self.transform(sample)
        read = READERS[type(self.transform)]
        params = read(sample.get(key), sample[IMAGE] is not before)
        if params is not None:
            note(step_of(self.transform, params, image))
        return sample


def name_of(transform: Any) -> str:
    """Name a transform of the host's as torchvision does."""
    return NAMES.get(type(transform), type(transform).__name__)


def step_of(transform: Any, params: Mapping[str, Any], image: Seen) -> Step:
    """Describe what a transform of the host's did in the words of torchvision's."""
    return Step(name_of(transform), params, vars(transform), *image)
