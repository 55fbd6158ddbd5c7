"""How MMCV's and MMPretrain's random transforms are read: their ranges, and what they drew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from augself_loss.adapters.mmpretrain.host import mmcv_transforms as mmcv
from augself_loss.adapters.mmpretrain.host import mmpretrain_transforms as mmpretrain
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
from augself_loss.encoders.crop import padding_sides
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.reported import Size

Drawn: TypeAlias = Mapping[str, Any]
"""Name of a transform's drawing method → what it returned in this call."""
Entries: TypeAlias = Mapping[str, Columns]

FACTORS = ("brightness", "contrast", "saturation", "hue")


class DrawnReading(NamedTuple):
    """How one class of transforms is read by what its drawing methods returned.

    Args:
        encoders: transform → encoders of what it does, with its ranges; none if it never acts.
        entries: transform, what it drew, its image's size → record entries; none if not applied.
    """

    encoders: Callable[[Any], Sequence[Encoder]]
    entries: Callable[[Any, Drawn, Size], Entries]


def _crop_box(transform: Any, drawn: Drawn, size: Size) -> Entries:
    top, left, height, width = drawn["rand_crop_params"]
    pad_top, pad_left = _padding(transform, size)
    box = ((top - pad_top) / size[0], (left - pad_left) / size[1])
    return {"crop": (*box, height / size[0], width / size[1])}


def _padding(transform: Any, size: Size) -> Size:
    """Work out how far a RandomCrop pads at the top and to the left; other crops do not."""
    padding = getattr(transform, "padding", None)
    left, top, right, bottom = padding_sides(0 if padding is None else padding)
    if getattr(transform, "pad_if_needed", False):
        height, width = size[0] + top + bottom, size[1] + left + right
        top += math.ceil(max(0, transform.crop_size[0] - height) / 2)
        left += math.ceil(max(0, transform.crop_size[1] - width) / 2)
    return top, left


def _centre_encoders(transform: Any) -> Sequence[Encoder]:
    if transform.auto_pad:
        raise PipelineError(
            "'CenterCrop' expected auto_pad=False, found True: what it pads has no box in the "
            "source image. Resize first (ResizeEdge), or leave it out of the record with "
            "ignore=['CenterCrop']."
        )
    return [CropEncoder(reach=0)]


def _centre_box(transform: Any, _drawn: Drawn, size: Size) -> Entries:
    width, height = (
        min(side, box) for side, box in zip(size[::-1], transform.crop_size, strict=True)
    )
    top, left = (round((side - box) / 2) for side, box in zip(size, (height, width), strict=True))
    return {"crop": (top / size[0], left / size[1], height / size[0], width / size[1])}


def _flip_encoders(transform: Any) -> Sequence[Encoder]:
    directions = transform.direction
    listed = [directions] if isinstance(directions, str) else list(directions)
    chances = transform.prob if isinstance(transform.prob, list) else [transform.prob] * len(listed)
    possible = {way for way, chance in zip(listed, chances, strict=True) if chance > 0}
    horizontal = [FlipEncoder()] if possible & {"horizontal", "diagonal"} else []
    vertical = [VerticalFlipEncoder()] if possible & {"vertical", "diagonal"} else []
    return [*horizontal, *vertical]


def _flips(_transform: Any, drawn: Drawn, _size: Size) -> Entries:
    direction = drawn["_choose_direction"]
    entries: dict[str, Columns] = {}
    if direction in ("horizontal", "diagonal"):
        entries["flip"] = (1.0,)
    if direction in ("vertical", "diagonal"):
        entries["vertical_flip"] = (1.0,)
    return entries


def _jitter(_transform: Any, drawn: Drawn, _size: Size) -> Entries:
    order, *factors = drawn["_rand_params"]
    return {"color": tuple(factors), "color_order": tuple(float(i) for i in order)}


def _grayscale(transform: Any, drawn: Drawn, _size: Size) -> Entries:
    return {"grayscale": (1.0,)} if drawn["_random_prob"] < transform.prob else {}


def _erased(_transform: Any, drawn: Drawn, size: Size) -> Entries:
    if "random_patch" not in drawn:
        return {}
    top, left, height, width = drawn["random_patch"]
    if height == 0 or width == 0:
        return {}
    box = (top / size[0], left / size[1], height / size[0], width / size[1])
    return {"erasing": box}


def _magnitudes(transform: Any, fixed: str) -> Range:
    """Say between which values a magnitude lies: one that is given, or drawn by its level."""
    value = getattr(transform, fixed)
    if value is not None:
        return float(value), float(value)
    level = transform.magnitude_level / transform.total_level
    if transform.magnitude_std == "inf":
        levels = (0.0, level)
    else:
        levels = (0.0, 1.0) if transform.magnitude_std > 0 else (level, level)
    start, end = transform.magnitude_range
    low, high = sorted(start + at * (end - start) for at in levels)
    return low, high


def _signed(transform: Any, fixed: str) -> Range:
    """Say the same of a magnitude that may be negated."""
    low, high = _magnitudes(transform, fixed)
    chance = transform.random_negative_prob
    ends = (
        [low, high] if chance <= 0 else [-low, -high] if chance >= 1 else [low, high, -low, -high]
    )
    return min(ends), max(ends)


def _magnitude(transform: Any, fixed: str, drawn: Drawn) -> float:
    value = getattr(transform, fixed)
    return float(drawn["random_magnitude"] if value is None else value)


def _magnitude_reading(
    encoders: Callable[[Any], Encoder], entries: Callable[[Any, Drawn], Entries]
) -> DrawnReading:
    """Read one of the transforms that draw whether they do nothing (``random_disable``)."""
    return DrawnReading(
        lambda t: [encoders(t)] if t.prob > 0 else [],
        lambda t, drawn, _size: {} if drawn["random_disable"] else entries(t, drawn),
    )


def _applied(encoder: type[Encoder]) -> DrawnReading:
    return _magnitude_reading(lambda _: encoder(), lambda _, __: {encoder.name: (1.0,)})


def _factor(index: int) -> DrawnReading:
    """Read a transform that multiplies one colour property by 1 + magnitude."""

    def encoder(transform: Any) -> Encoder:
        low, high = _signed(transform, "magnitude")
        ranges: list[Range | None] = [None] * 4
        ranges[index] = (1 + low, 1 + high)
        return ColorEncoder(*ranges)

    def entries(_transform: Any, drawn: Drawn) -> Entries:
        factor = 1 + float(drawn["random_negative"])
        return {"color": tuple(factor if i == index else None for i in range(4))}

    return _magnitude_reading(encoder, entries)


def _sharpness(transform: Any) -> Encoder:
    low, high = _signed(transform, "magnitude")
    return SharpnessEncoder((1 + low, 1 + high))


def _solarize(transform: Any) -> Encoder:
    low, high = _magnitudes(transform, "thr")
    return SolarizeEncoder((_fraction(low), _fraction(high)))


def _fraction(threshold: float) -> float:
    # A threshold of 256 (timm's lowest level) changes no pixel, as one that was not applied.
    return min(threshold / 255, 1.0)


def _posterize(transform: Any) -> Encoder:
    low, high = _magnitudes(transform, "bits")
    return PosterizeEncoder((float(math.ceil(low)), float(math.ceil(high))))


def _posterized(transform: Any, drawn: Drawn) -> Entries:
    bits = float(math.ceil(_magnitude(transform, "bits", drawn)))
    return {"posterize": (bits,), "posterize_applied": (1.0,)}


def _angle(transform: Any) -> Encoder:
    if transform.center is not None or transform.scale != 1:
        raise PipelineError(
            "'Rotate' expected center=None and scale=1, which an angle says all of, found "
            f"center={transform.center} and scale={transform.scale}. Leave it out of the record "
            "with ignore=['Rotate']."
        )
    return AngleEncoder(max(abs(end) for end in _signed(transform, "angle")))


DRAWN: Mapping[type, DrawnReading] = {
    mmpretrain.RandomResizedCrop: DrawnReading(lambda _: [CropEncoder(reach=0)], _crop_box),
    mmpretrain.EfficientNetRandomCrop: DrawnReading(lambda _: [CropEncoder(reach=0)], _crop_box),
    mmpretrain.RandomCrop: DrawnReading(lambda _: [CropEncoder(reach=math.inf)], _crop_box),
    mmcv.CenterCrop: DrawnReading(_centre_encoders, _centre_box),
    mmcv.RandomFlip: DrawnReading(_flip_encoders, _flips),
    mmpretrain.ColorJitter: DrawnReading(
        lambda t: [ColorEncoder(*(getattr(t, factor) for factor in FACTORS))], _jitter
    ),
    mmcv.RandomGrayscale: DrawnReading(
        lambda t: [GrayscaleEncoder()] if t.prob > 0 else [], _grayscale
    ),
    mmpretrain.RandomErasing: DrawnReading(
        lambda t: [ErasingEncoder()] if t.erase_prob > 0 else [], _erased
    ),
    mmpretrain.GaussianBlur: _magnitude_reading(
        lambda t: BlurEncoder(_magnitudes(t, "radius")),  # PIL's radius is the Gaussian's σ
        lambda t, drawn: {"blur": (_magnitude(t, "radius", drawn),)},
    ),
    mmpretrain.Solarize: _magnitude_reading(
        _solarize, lambda t, drawn: {"solarize": (_fraction(_magnitude(t, "thr", drawn)),)}
    ),
    mmpretrain.Posterize: _magnitude_reading(_posterize, _posterized),
    mmpretrain.AutoContrast: _applied(AutocontrastEncoder),
    mmpretrain.Equalize: _applied(EqualizeEncoder),
    mmpretrain.Invert: _applied(InvertEncoder),
    mmpretrain.Brightness: _factor(0),
    mmpretrain.Contrast: _factor(1),
    mmpretrain.ColorTransform: _factor(2),
    mmpretrain.Sharpness: _magnitude_reading(
        _sharpness, lambda _, drawn: {"sharpness": (1 + float(drawn["random_negative"]),)}
    ),
    # Positive angles turn clockwise here, counter-clockwise in a record.
    mmpretrain.Rotate: _magnitude_reading(
        _angle, lambda _, drawn: {"angle": (-float(drawn["random_negative"]),)}
    ),
}
"""Class of a transform → how it is read."""

FIXED = frozenset(
    {
        "ImageToTensor", "LoadAnnotations", "LoadImageFromFile", "Normalize", "NumpyToPIL",
        "PILToNumpy", "Resize", "ResizeEdge", "ToTensor", "Transpose",
    }
)  # fmt: skip
"""Names of MMCV's and MMPretrain's transforms without randomness that keep a view's frame."""
UNSEEN = frozenset({"LoadAnnotations", "NumpyToPIL", "PILToNumpy"})
"""Those that change no pixel: they may be applied at random too."""
