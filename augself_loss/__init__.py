"""AugSelf as a loss you add to your own: features that keep what augmentations throw away.

Reference: Lee et al., *Improving Transferability of Representations via Augmentation-Aware
Self-Supervision*, NeurIPS 2021.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from augself_loss.balance import gradient_ratios
from augself_loss.constant_types import ConstantTypeWarning
from augself_loss.encoders import (
    AffineEncoder,
    AngleEncoder,
    AutocontrastEncoder,
    BinaryEncoder,
    BlurEncoder,
    ColorEncoder,
    ColorJiggleEncoder,
    CropEncoder,
    Encoder,
    EqualizeEncoder,
    ErasingEncoder,
    FlipEncoder,
    GammaEncoder,
    GrayscaleEncoder,
    InvertEncoder,
    PerspectiveEncoder,
    PosterizeEncoder,
    RegressionEncoder,
    RotationEncoder,
    SharpnessEncoder,
    SolarizeEncoder,
    Step,
    VerticalFlipEncoder,
)
from augself_loss.errors import (
    AugSelfError,
    EncoderError,
    FeatureError,
    ImageError,
    LossError,
    PipelineError,
    RecordError,
)
from augself_loss.heads_watch import HeadsUnchangedWarning
from augself_loss.lambdas import LoadedWeightsWarning
from augself_loss.loss import AugSelfLoss
from augself_loss.output import Output
from augself_loss.parameters import Field, Layout, Record, identity_record, pack, unpack
from augself_loss.pooling import Grid, Patches
from augself_loss.share import GradientShare
from augself_loss.term_watch import TermUnusedWarning
from augself_loss.trained_with import LoadedEncodersWarning
from augself_loss.wrapper import WithAugSelf, with_augself

if TYPE_CHECKING:
    from augself_loss.hosting.plain import AugSelf, PlainStep

__version__ = "0.2.0"

__all__ = [
    "AffineEncoder",
    "AngleEncoder",
    "AugSelf",
    "AugSelfError",
    "AugSelfLoss",
    "AutocontrastEncoder",
    "BinaryEncoder",
    "BlurEncoder",
    "ColorEncoder",
    "ColorJiggleEncoder",
    "ConstantTypeWarning",
    "CropEncoder",
    "Encoder",
    "EncoderError",
    "EqualizeEncoder",
    "ErasingEncoder",
    "FeatureError",
    "Field",
    "FlipEncoder",
    "GammaEncoder",
    "GradientShare",
    "GrayscaleEncoder",
    "Grid",
    "HeadsUnchangedWarning",
    "ImageError",
    "InvertEncoder",
    "Layout",
    "LoadedEncodersWarning",
    "LoadedWeightsWarning",
    "LossError",
    "Output",
    "Patches",
    "PerspectiveEncoder",
    "PipelineError",
    "PlainStep",
    "PosterizeEncoder",
    "Record",
    "RecordError",
    "RegressionEncoder",
    "RotationEncoder",
    "SharpnessEncoder",
    "SolarizeEncoder",
    "Step",
    "TermUnusedWarning",
    "VerticalFlipEncoder",
    "WithAugSelf",
    "gradient_ratios",
    "identity_record",
    "pack",
    "unpack",
    "with_augself",
]


def __dir__() -> list[str]:
    """List what is public, that too which is loaded when it is asked for."""
    return sorted({*__all__, "__version__"})


def __getattr__(name: str) -> Any:
    """Load what a training loop needs when it is asked for; the loss alone needs none of it."""
    if name in ("AugSelf", "PlainStep"):
        return getattr(importlib.import_module("augself_loss.hosting.plain"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
