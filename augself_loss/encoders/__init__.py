"""One encoder per augmentation type, one file each."""

from __future__ import annotations

from collections.abc import Iterable

from augself_loss.encoders.affine import AffineEncoder
from augself_loss.encoders.angle import AngleEncoder
from augself_loss.encoders.autocontrast import AutocontrastEncoder
from augself_loss.encoders.base import Encoder, Kind, Preset, Step
from augself_loss.encoders.binary import BinaryEncoder, applied
from augself_loss.encoders.blur import BlurEncoder
from augself_loss.encoders.color import ColorEncoder
from augself_loss.encoders.color_jiggle import ColorJiggleEncoder
from augself_loss.encoders.crop import CropEncoder
from augself_loss.encoders.equalize import EqualizeEncoder
from augself_loss.encoders.erasing import ErasingEncoder
from augself_loss.encoders.flip import FlipEncoder
from augself_loss.encoders.gamma import GammaEncoder
from augself_loss.encoders.grayscale import GrayscaleEncoder
from augself_loss.encoders.invert import InvertEncoder
from augself_loss.encoders.perspective import PerspectiveEncoder
from augself_loss.encoders.posterize import PosterizeEncoder
from augself_loss.encoders.regression import RegressionEncoder
from augself_loss.encoders.rotation import RotationEncoder
from augself_loss.encoders.sharpness import SharpnessEncoder
from augself_loss.encoders.solarize import SolarizeEncoder
from augself_loss.encoders.vertical_flip import VerticalFlipEncoder
from augself_loss.errors import EncoderError

BUILT_IN: tuple[type[Encoder], ...] = (
    CropEncoder,
    FlipEncoder,
    VerticalFlipEncoder,
    RotationEncoder,
    ColorEncoder,
    ColorJiggleEncoder,
    GrayscaleEncoder,
    BlurEncoder,
    SolarizeEncoder,
    GammaEncoder,
    SharpnessEncoder,
    PosterizeEncoder,
    EqualizeEncoder,
    InvertEncoder,
    AutocontrastEncoder,
    ErasingEncoder,
    AngleEncoder,
    AffineEncoder,
    PerspectiveEncoder,
)
"""Every type the library knows, in the order in which records list them."""


def default_encoders(own: Iterable[Encoder] = ()) -> dict[str, Encoder]:
    """List an encoder per type: the built-in ones with the paper's ranges, replaced by ``own``.

    Args:
        own: encoders that replace the built-in one of their name, or add a type. Where two have
            one name, e.g. those of two pipelines, their ranges are united.

    Returns:
        Type name → encoder.

    Raises:
        EncoderError: something that is no encoder, or two kinds of encoder of one name.
    """
    if not isinstance(own, Iterable):
        raise EncoderError(f"encoders expected a list of encoders, found {type(own).__name__}.")
    named: dict[str, Encoder] = {}
    for encoder in own:
        if not isinstance(encoder, Encoder):
            raise EncoderError(
                f"encoders expected a list of encoders, found {encoder!r} in it. Pass instances, "
                "e.g. encoders=[BlurEncoder(sigma=(0.1, 2.0))]."
            )
        known = named.get(encoder.name)
        named[encoder.name] = encoder if known in (None, encoder) else known.union(encoder)
    return {**{kind.name: kind() for kind in BUILT_IN}, **named}


__all__ = [
    "BUILT_IN",
    "AffineEncoder",
    "AngleEncoder",
    "AutocontrastEncoder",
    "BinaryEncoder",
    "BlurEncoder",
    "ColorEncoder",
    "ColorJiggleEncoder",
    "CropEncoder",
    "Encoder",
    "EqualizeEncoder",
    "ErasingEncoder",
    "FlipEncoder",
    "GammaEncoder",
    "GrayscaleEncoder",
    "InvertEncoder",
    "Kind",
    "PerspectiveEncoder",
    "PosterizeEncoder",
    "Preset",
    "RegressionEncoder",
    "RotationEncoder",
    "SharpnessEncoder",
    "SolarizeEncoder",
    "Step",
    "VerticalFlipEncoder",
    "applied",
    "default_encoders",
]
