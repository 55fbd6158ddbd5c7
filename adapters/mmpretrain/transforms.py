"""How MMCV's and MMPretrain's random transforms are read: their ranges, and what they drew."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import mmcv.transforms as mmcv
import mmpretrain.datasets.transforms as mmpretrain

from augself_loss.encoders import (
    AngleEncoder,
    AutocontrastEncoder,
    BlurEncoder,
    ColorEncoder,
    CropEncoder,
    Encoder,
    EqualizeEncoder,
    ErasingEncoder,
    FlipEncoder,
    GrayscaleEncoder,
    InvertEncoder,
    PosterizeEncoder,
    SharpnessEncoder,
    SolarizeEncoder,
    VerticalFlipEncoder,
)
from augself_loss.encoders.base import Columns
from augself_loss.encoders.boxes import fractions
from augself_loss.encoders.color import FACTORS
from augself_loss.encoders.crop import padding_sides
from augself_loss.encoders.solarize import fraction_of_white
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.reported import Apply, Size
from augself_loss.recording.reports import Entries
from augself_loss.recording.walk import Reading

Drawn: TypeAlias = Mapping[str, Any]
"""Name of a transform's drawing method → what it returned in this call."""
Read: TypeAlias = "Callable[[Any, Drawn, Size], Columns | Entries | None]"
"""Transform, what it drew, its image's size → what was applied."""


def size_of(results: Mapping[str, Any], /) -> Size:
    """Height and width of the image in ``results``."""
    height, width = results["img"].shape[:2]
    return height, width


def _drawing(read: Read) -> Apply:
    """Read a transform by what its drawing methods returned."""

    def apply(transform: Any, results: Any) -> tuple[Any, Columns | Entries | None]:
        size = size_of(results)
        # MMCV caches what a transform draws where several images shall share it: a copy does, made
        # by hand since copy.copy takes twice as long, at every image.
        drawn: dict[str, Any] = {}
        caching = object.__new__(type(transform))
        vars(caching).update(vars(transform), _cache_enabled=True, _cache=drawn)
        return caching(results), read(transform, drawn, size)

    return apply


def _box(_crop: Any, drawn: Drawn, size: Size) -> Columns:
    return fractions(drawn["rand_crop_params"], size)


def _padded_box(crop: Any, drawn: Drawn, size: Size) -> Columns:
    top, left, *sides = drawn["rand_crop_params"]
    pad_left, pad_top, right, bottom = padding_sides(crop.padding or 0)
    if crop.pad_if_needed:
        height, width = size[0] + pad_top + bottom, size[1] + pad_left + right
        pad_top += math.ceil(max(0, crop.crop_size[0] - height) / 2)
        pad_left += math.ceil(max(0, crop.crop_size[1] - width) / 2)
    return fractions((top - pad_top, left - pad_left, *sides), size)


def _centre_encoder(crop: Any) -> Encoder:
    if crop.auto_pad:
        raise PipelineError(
            "'CenterCrop' expected auto_pad=False, found True: padding has no box in the source "
            "image. Resize first (ResizeEdge), or leave it out of the record with "
            "ignore=['CenterCrop']."
        )
    return CropEncoder(reach=0)


def _centre_box(crop: Any, _drawn: Drawn, size: Size) -> Columns:
    sides = [min(pair) for pair in zip(size, crop.crop_size[::-1], strict=True)]
    corner = [round((whole - side) / 2) for whole, side in zip(size, sides, strict=True)]
    return fractions((*corner, *sides), size)


FLIPS: Mapping[type[Encoder], frozenset[str]] = {
    FlipEncoder: frozenset({"horizontal", "diagonal"}),
    VerticalFlipEncoder: frozenset({"vertical", "diagonal"}),
}
"""Type → the directions in which a RandomFlip is of it."""


def _flip_encoders(flip: Any) -> Sequence[Encoder]:
    ways = [flip.direction] if isinstance(flip.direction, str) else flip.direction
    chances = flip.prob if isinstance(flip.prob, list) else [flip.prob] * len(ways)
    possible = {way for way, chance in zip(ways, chances, strict=True) if chance > 0}
    return [encoder() for encoder, own in FLIPS.items() if own & possible]


def _flipped(_flip: Any, drawn: Drawn, _size: Size) -> Entries | None:
    way = drawn["_choose_direction"]
    return {encoder.name: (1.0,) for encoder, own in FLIPS.items() if way in own} or None


def _jittered(_jitter: Any, drawn: Drawn, _size: Size) -> Entries:
    order, *factors = drawn["_rand_params"]
    return {"color": tuple(factors), "color_order": tuple(order)}


def _gray(gray: Any, drawn: Drawn, _size: Size) -> Columns | None:
    return (1.0,) if drawn["_random_prob"] < gray.prob else None


def _erased(_erasing: Any, drawn: Drawn, size: Size) -> Columns | None:
    nothing = drawn["random_disable"] or 0 in drawn["random_patch"][2:]
    return None if nothing else fractions(drawn["random_patch"], size)


def _acted(_transform: Any, drawn: Drawn, _size: Size) -> Columns | None:
    return None if drawn["random_disable"] else (1.0,)


def _range_of(transform: Any, fixed: str) -> Range:
    """Say between which values a magnitude lies: one that is given, or drawn by its level."""
    level, total, std = transform.magnitude_level, transform.total_level, transform.magnitude_std
    levels = (0, level) if std == "inf" else (0, total) if std > 0 else (level, level)
    start, end = transform.magnitude_range or [getattr(transform, fixed)] * 2
    ends = [start + at / total * (end - start) for at in levels]
    chance = transform.random_negative_prob
    signs = [1] if chance <= 0 else [-1] if chance >= 1 else [1, -1]
    signed = [sign * end for sign in signs for end in ends]
    return min(signed), max(signed)


def _graded(
    fixed: str,
    encoder: Callable[[Range], Encoder],
    column: Callable[[float], float] = float,
    entries: Callable[[float], Columns | Entries] = lambda value: (value,),
) -> Reading:
    """Read one of the transforms that draw whether they act, and how much.

    Args:
        fixed: attribute of the magnitude where that is given, not drawn.
        encoder: builds the type's from the column's range.
        column: magnitude → the column's value, monotone.
        entries: the column's value → what is recorded.
    """

    def build(transform: Any) -> Encoder:
        low, high = sorted(map(column, _range_of(transform, fixed)))
        return encoder((low, high))

    def read(transform: Any, drawn: Drawn, _size: Size) -> Columns | Entries | None:
        if drawn["random_disable"]:
            return None
        magnitude = drawn.get("random_magnitude", getattr(transform, fixed))
        if transform.random_negative_prob > 0:
            magnitude = drawn["random_negative"]
        return entries(column(magnitude))

    return Reading(build, _drawing(read))


def _factor(index: int) -> Reading:
    """Read a transform that multiplies one colour property by 1 + magnitude."""

    def alone(value: Any) -> Columns:
        return tuple(value if i == index else None for i in range(len(FACTORS)))

    return _graded("magnitude", lambda limits: ColorEncoder(*alone(limits)), _relative, alone)


def _relative(magnitude: float) -> float:
    return 1 + magnitude


def _posterized(bits: float) -> Entries:
    return {"posterize": (bits,), "posterize_applied": (1.0,)}


def _rotation() -> Reading:
    # Positive angles turn clockwise here, counter-clockwise in a record.
    turn = _graded("angle", lambda limits: AngleEncoder(max(map(abs, limits))), operator.neg)

    def build(rotate: Any) -> Any:
        if rotate.center is not None or rotate.scale != 1:
            raise PipelineError(
                f"'Rotate' expected center=None and scale=1, found center={rotate.center} and "
                f"scale={rotate.scale}: a record holds only the angle. Change them, or leave it "
                "out of the record with ignore=['Rotate']."
            )
        return turn.encoder(rotate)

    return Reading(build, turn.apply)


READINGS: Mapping[type, Reading] = {
    mmpretrain.RandomResizedCrop: Reading(lambda _: CropEncoder(reach=0), _drawing(_box)),
    mmpretrain.EfficientNetRandomCrop: Reading(lambda _: CropEncoder(reach=0), _drawing(_box)),
    mmpretrain.RandomCrop: Reading(lambda _: CropEncoder(reach=math.inf), _drawing(_padded_box)),
    mmcv.CenterCrop: Reading(_centre_encoder, _drawing(_centre_box)),
    mmcv.RandomFlip: Reading(_flip_encoders, _drawing(_flipped)),
    mmpretrain.ColorJitter: Reading(
        lambda t: ColorEncoder(t.brightness, t.contrast, t.saturation, t.hue), _drawing(_jittered)
    ),
    mmcv.RandomGrayscale: Reading(lambda _: GrayscaleEncoder(), _drawing(_gray)),
    mmpretrain.RandomErasing: Reading(lambda _: ErasingEncoder(), _drawing(_erased)),
    mmpretrain.AutoContrast: Reading(lambda _: AutocontrastEncoder(), _drawing(_acted)),
    mmpretrain.Equalize: Reading(lambda _: EqualizeEncoder(), _drawing(_acted)),
    mmpretrain.Invert: Reading(lambda _: InvertEncoder(), _drawing(_acted)),
    mmpretrain.GaussianBlur: _graded("radius", BlurEncoder),  # PIL's radius is the Gaussian's σ
    mmpretrain.Solarize: _graded("thr", SolarizeEncoder, fraction_of_white),
    mmpretrain.Posterize: _graded("bits", PosterizeEncoder, math.ceil, _posterized),
    mmpretrain.Brightness: _factor(0),
    mmpretrain.Contrast: _factor(1),
    mmpretrain.ColorTransform: _factor(2),
    mmpretrain.Sharpness: _graded("magnitude", SharpnessEncoder, _relative),
    mmpretrain.Rotate: _rotation(),
}
"""Class of a transform → how it is read."""

UNSEEN = frozenset({"LoadAnnotations", "NumpyToPIL", "PILToNumpy"})
"""Names of MMCV's and MMPretrain's transforms that change no pixel: applied at random or not."""
FIXED = UNSEEN | {
    "ImageToTensor", "LoadImageFromFile", "Normalize", "Resize", "ResizeEdge", "ToTensor",
    "Transpose",
}  # fmt: skip
"""Those without randomness that keep a view's frame."""
MOVING = frozenset(
    {
        "AutoAugment", "EfficientNetCenterCrop", "MAERandomResizedCrop", "MultiScaleFlipAug", "Pad",
        "RandAugment", "RandomChoiceResize", "RandomResize", "RandomTranslatePad", "Shear",
        "TestTimeAug", "Translate",
    }
)  # fmt: skip
"""Those that move pixels as no record tells."""
