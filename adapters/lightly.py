"""Records Lightly's transforms as they are: ``LightlyRecorder(SimCLRTransform())``.

Lightly's losses need no adapter: ``with_augself(NTXentLoss(), augself)`` wraps any of them, and
:func:`augself_loss.adapters.lightning.add_augself` any LightningModule built from its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from augself_loss.encoders import (
    AngleEncoder,
    BlurEncoder,
    Encoder,
    RotationEncoder,
    SolarizeEncoder,
)
from augself_loss.encoders.base import Columns
from augself_loss.encoders.solarize import fraction_of_white
from augself_loss.errors import PipelineError, missing_extra
from augself_loss.recording.follow import Children
from augself_loss.recording.foresee import NUMPY, foreseen
from augself_loss.recording.names import name_of
from augself_loss.recording.pipelines import PipelinesRecorder
from augself_loss.recording.reported import Apply
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.wiring import Wiring
from augself_loss.recording.walk import Reading

try:
    from lightly.transforms import GaussianBlur, RandomRotate, RandomSolarization
    from lightly.transforms.multi_view_transform import MultiViewTransform
    from lightly.transforms.multi_view_transform_v2 import MultiViewTransformV2
except ImportError as error:
    raise missing_extra(__name__, "lightly", "lightly") from error

VERSIONS = "Lightly 1.6"


def _drawing(columns: Callable[[Any, Any], Columns]) -> Apply:
    """Read a transform that draws whether it acts, and then perhaps how."""

    def draw(transform: Any, rng: Any) -> Columns | None:
        return columns(transform, rng) if rng.random_sample() < transform.prob else None

    return lambda transform, image: foreseen(transform, image, draw, NUMPY, VERSIONS)


def _turn(rotate: RandomRotate) -> Encoder | None:
    if rotate.angle % 360 == 0:
        return None
    return RotationEncoder() if rotate.angle % 90 == 0 else AngleEncoder(abs(rotate.angle))


class _Wiring(Wiring):
    """Knows Lightly's own random transforms, and its classes that only run another pipeline."""

    readings = {
        GaussianBlur: Reading(
            lambda t: BlurEncoder(tuple(t.sigmas)),
            _drawing(lambda t, rng: (rng.uniform(*t.sigmas),)),
        ),
        # Lightly's counts to 255 on every image: it solarizes by PIL alone.
        RandomSolarization: Reading(
            lambda _: SolarizeEncoder((0.0, 1.0)),
            _drawing(lambda t, _rng: (fraction_of_white(t.threshold),)),
        ),
        RandomRotate: Reading(
            _turn,
            _drawing(lambda t, _rng: (float(t.angle if t.angle % 90 else t.angle // 90 % 4),)),
        ),
    }

    def held_in(self, transform: Any) -> str | None:
        """Name the one attribute of a Lightly object that holds the pipeline it runs, if it has."""
        is_lightly = type(transform).__module__.startswith("lightly.transforms.")
        names = list(vars(transform)) if is_lightly else []
        return names[0] if len(names) == 1 and callable(getattr(transform, names[0])) else None


class _View(TorchvisionRecorder):
    wiring = _Wiring


class LightlyRecorder(PipelinesRecorder):
    """Runs a Lightly transform; returns its views and, last, one tensor with their records.

    Give it to ``LightlyDataset`` instead of the transform. The views are bit for bit the
    transform's own under the same seeds of torch and NumPy. The last tensor passes
    ``MultiViewCollate`` and ``default_collate``;
    :func:`~augself_loss.recording.multiview.split_views` takes it off. If one object makes several
    views, it stays one object.

    Args:
        transform: any ``lightly.transforms`` that makes several views of an image; its own blur,
            rotation and solarization, and torchvision's, are recorded.
        encoders, register, ignore, types: as
            :class:`~augself_loss.recording.torchvision.TorchvisionRecorder` takes them.

    Attributes:
        layout: entries that every view's record holds.
        encoders: encoders of the recorded types, with this transform's ranges.

    Raises:
        PipelineError: no views, one view (as MAE's), views with grids or masks (VICRegL, DetCon),
            or an unknown random transform (Lightly's Fourier and jigsaw), by name.

    Example:
        >>> from lightly.transforms import SimCLRTransform
        >>> recorder = LightlyRecorder(SimCLRTransform(input_size=32))
        >>> [encoder.name for encoder in recorder.encoders]
        ['crop', 'flip', 'vertical_flip', 'color', 'grayscale', 'blur']
    """

    view_recorder = _View

    def pipelines(self, transform: Any) -> list[Any]:
        """List the pipelines of its views, and watch that they stay.

        Raises:
            PipelineError: it makes one view, or more than views.
        """
        views = _views(transform)
        self._views = Children(transform, "transforms", views)
        return views

    def follow(self) -> None:
        """Look whether the transform's views are those that were wired.

        Raises:
            PipelineError: they were exchanged since.
        """
        self._views.check({})


GRIDS = (
    "it also makes a grid of positions for each view, for a method that compares features by "
    "position; AugSelf compares whole views. Use VICRegTransform, or another transform that "
    "returns only views."
)
MASKS = (
    "it also returns masks or grids, for a method that compares regions (DetCon); AugSelf "
    "compares whole views. Without masks: "
    "LightlyRecorder(MultiViewTransform(transform.transforms))."
)
OTHER = (
    "it is not a MultiViewTransform, or its own __call__ does more than run every entry once on "
    "the image. Pass the views' pipelines: LightlyRecorder(MultiViewTransform([view, view]))."
)
HIDDEN = (
    "its pipelines are hidden. Pass the transform object, LightlyRecorder(SimCLRTransform()), or "
    "its views' pipelines, LightlyRecorder(MultiViewTransform([view, view]))."
)
SINGLE = (
    "it makes one view, and AugSelf compares two. For methods of one view (MAE, SimMIM, AIM, "
    "CAPI, Pixio, I-JEPA) make two in a second pass: "
    "LightlyRecorder(MultiViewTransform([transform.transform] * 2)), from "
    "lightly.transforms.multi_view_transform. Or record the one view with a TorchvisionRecorder, "
    "and predict encoder.absolute(record) with your own head."
)


def _views(transform: Any) -> list[Any]:
    """List the pipelines of a transform's views.

    Raises:
        PipelineError: it makes one view, or more than views; why, and what would serve.
    """
    views = getattr(transform, "transforms", None)
    listed = list(views) if isinstance(views, (list, tuple)) else []
    plain = type(transform).__call__ in (MultiViewTransform.__call__, MultiViewTransformV2.__call__)
    if plain and all(callable(view) for view in listed):
        return listed
    if any(isinstance(view, tuple) for view in listed):
        why = GRIDS
    elif listed and isinstance(transform, MultiViewTransformV2):
        why = MASKS
    elif isinstance(views, (list, tuple)):
        why = OTHER
    else:
        why = SINGLE if hasattr(transform, "transform") else HIDDEN
    raise PipelineError(
        "LightlyRecorder expected a transform that makes several views, one per entry of its "
        f"'transforms' (SimCLRTransform, DINOTransform), found '{name_of(transform)}': {why}"
    )
