"""Reads the parameters that stable-pretraining's own transforms write into their sample.

Every random transform of ``stable_pretraining.data.transforms`` notes in the sample what it drew.
What those notes lack is mended here: the size of the image, without which a box is no fraction; the
identity, where zeros stand for "skipped"; and repeated transforms, of which only two keep a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.encoders.step import Seen
from augself_loss.errors import missing_extra
from augself_loss.recording.notes import running
from augself_loss.recording.scribes import EncoderScribe
from augself_loss.recording.torchvision.images import seen

try:
    from stable_pretraining.data import transforms
except ImportError as error:
    module = "augself_loss.adapters.stable_pretraining"
    raise missing_extra(module, "stable-pretraining", "stable-pretraining") from error

host: Any = transforms
IMAGE = "image"
"""Where a sample's picture is, for every transform and forward function of the host."""

Read: TypeAlias = Callable[[Any], Mapping[str, Any]]
"""A transform's note → what was drawn, under torchvision's names."""


def _named(*names: str) -> Read:
    return lambda note: dict(zip(names, note, strict=True))


def _padded_box(note: Any) -> Mapping[str, Any]:
    _needs_crop, *box, _needs_pad, left, top, right, bottom = note
    return {**_box(box), "padding": (left, top, right, bottom)}


def _jitter(note: Any) -> Mapping[str, Any]:
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    return {**dict(zip(names, note, strict=False)), "fn_idx": note[4:]}


def _affine(note: Any) -> Mapping[str, Any]:
    angle, *translate, scale, shear_x, shear_y = note
    return {"angle": angle, "translate": translate, "scale": scale, "shear": (shear_x, shear_y)}


def _applied(_note: Any) -> Mapping[str, Any]:
    return {}


def _skipped(note: Any) -> bool:
    return note is False or (isinstance(note, list) and not any(note))


_box = _named("top", "left", "height", "width")
RAN = (
    host.CenterCrop, host.RandomHorizontalFlip, host.RandomVerticalFlip, host.RandomGrayscale,
    host.RandomSolarize, host.RandomAutocontrast, host.RandomEqualize, host.RandomInvert,
    host.RandomPosterize, host.RandomAdjustSharpness,
)  # fmt: skip
"""Those of which all that varies is whether they ran."""
READERS: Mapping[type, Read] = {
    **dict.fromkeys(RAN, _applied),
    host.RandomResizedCrop: _box,
    host.RandomCrop: _padded_box,
    host.RandomRotation: dict,
    host.RandomAffine: _affine,
    host.RandomPerspective: lambda note: {"coefficients": note},
    host.RandomErasing: _named(*"ijhw"),
    host.ColorJitter: _jitter,
    host.GaussianBlur: lambda note: {"sigma": note},
    host.PILGaussianBlur: lambda note: {"sigma": note},
}
STRENGTHS = (host.RandomPosterize, host.RandomAdjustSharpness)
"""Those that note their strength, which may be 0, and 0 too where they are skipped."""
FIXED = (host.ToImage, host.RGB, host.Resize, host.RandomMask, host.ContextTargetsMultiBlockMask)
"""What leaves the picture's frame as it is; the masks are drawn beside the picture."""
NAMES = {host.PILGaussianBlur: "GaussianBlur"}
"""torchvision's name, where the host's is another."""


class Noted(nn.Module):
    """One of the host's transforms, whose note is taken straight after it ran.

    Args:
        transform: it.
        encoder: reads it.
    """

    def __init__(self, transform: Any, encoder: Encoder) -> None:
        super().__init__()
        self.transform = transform
        self._scribe = EncoderScribe(encoder, "torchvision", name_of(transform), transform)

    def forward(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Run the transform on a sample, and read what it did."""
        kind, before = type(self.transform), sample[IMAGE]
        image = seen(before, kind.__name__)
        key = self.transform.get_name(sample)
        sample = self.transform(sample)
        noted = sample.get(key)
        drawn = noted.tolist() if isinstance(noted, Tensor) else noted
        changed = kind in STRENGTHS and sample[IMAGE] is not before
        if running.notes is not None and (changed or not _skipped(drawn)):
            running.notes.append((self._scribe, READERS[kind](drawn), image))
        return sample


def name_of(transform: Any) -> str:
    """Name a transform of the host's as torchvision does."""
    return NAMES.get(type(transform), type(transform).__name__)


def step_of(transform: Any, params: Mapping[str, Any], image: Seen) -> Step:
    """Describe what a transform of the host's did in the words of torchvision's."""
    return Step(name_of(transform), params, vars(transform), *image)
