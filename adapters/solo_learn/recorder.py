"""Records solo-learn's transforms as they are: ``SoloRecorder(FullTransformPipeline([...]))``."""

from __future__ import annotations

import importlib
from typing import Any

from augself_loss.encoders import BlurEncoder, EqualizeEncoder, SolarizeEncoder
from augself_loss.errors import PipelineError, missing_package
from augself_loss.recording.foresee import PYTHON, foreseen
from augself_loss.recording.pipelines import PipelinesRecorder
from augself_loss.recording.presets import acts_as
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.wiring import Wiring
from augself_loss.recording.walk import Reading

COMMAND = (
    "pip install --no-deps solo-learn==1.0.2 pytorch-lightning==1.6.5.post0 "
    "lightning-bolts==0.7.0 timm==0.4.12 pyDeprecate==0.3.2 && "
    "pip install torchmetrics tensorboard scipy tqdm PyYAML 'setuptools<81'"
)
"""What PyPI has, without its pins of 2021; 1.0.6 is installed from solo-learn's repository."""

PLACES = ("solo.data.pretrain_dataloader", "solo.utils.pretrain_dataloader")
"""Where the transforms are: in 1.0.6, and in 1.0.2."""


def _transforms() -> Any:
    try:
        return importlib.import_module(PLACES[0])
    except ImportError:
        return importlib.import_module(PLACES[1])


try:
    solo: Any = _transforms()
except ImportError as error:
    raise missing_package("augself_loss.adapters.solo_learn", "solo-learn", COMMAND) from error

VERSIONS = "solo-learn 1.0.2 and 1.0.6"
THRESHOLD = 128 / 255
"""From which value on solo-learn's ``Solarization`` inverts: Pillow's default."""


class _Wiring(Wiring):
    """Knows solo-learn's own transforms, and its classes that only run another pipeline."""

    readings = {
        solo.GaussianBlur: Reading(
            lambda t: BlurEncoder(tuple(t.sigma)),
            lambda t, image: foreseen(
                t, image, lambda t, rng: (rng.uniform(*t.sigma),), PYTHON, VERSIONS
            ),
        ),
        solo.Solarization: Reading(
            lambda _: SolarizeEncoder(THRESHOLD), lambda t, image: (t(image), (THRESHOLD,))
        ),
        **{
            kind: Reading(lambda _: EqualizeEncoder(), lambda t, image: (t(image), (1.0,)))
            for kind in (getattr(solo, "Equalization", None),)  # 1.0.2 has none
            if kind is not None
        },
    }

    def is_still(self, transform: Any) -> bool:
        """Its pipelines hold torchvision's transforms with probability 0, where one is left out."""
        is_torchvision = type(transform).__module__.startswith("torchvision.")
        return is_torchvision and getattr(transform, "p", None) == 0

    def held_in(self, transform: Any) -> str | None:
        """1.0.2 has a class per data set that holds its pipeline."""
        base: Any = getattr(solo, "BaseTransform", None)
        is_one = base is not None and isinstance(transform, base)
        return "transform" if is_one and type(transform).__call__ is base.__call__ else None


class _View(TorchvisionRecorder):
    wiring = _Wiring


class SoloRecorder(PipelinesRecorder):
    """Runs solo-learn's transform and returns its views and, last, one tensor with their records.

    Give it to ``prepare_datasets`` in the transform's place. The views are bit for bit the
    transform's own under the same seeds of torch and Python; the records pass ``default_collate``.

    Args:
        transform: a ``FullTransformPipeline`` (what ``prepare_n_crop_transform`` returns), or one
            ``NCropAugmentation``; solo-learn's own blur, solarization and equalization, and
            torchvision's transforms, are recorded.
        encoders, register, ignore, types: as
            :class:`~augself_loss.recording.torchvision.TorchvisionRecorder` takes them.

    Attributes:
        layout: entries that every view's record holds.
        encoders: encoders of the recorded types, with this transform's ranges.

    Raises:
        PipelineError: no such transform, one view, or a random transform that is not known, by
            name (DALI's are not: they run in another pipeline).

    Example:
        >>> from solo.utils.pretrain_dataloader import prepare_n_crop_transform, prepare_transform
        >>> jitter = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}
        >>> view = prepare_transform("cifar10", **jitter)
        >>> recorder = SoloRecorder(prepare_n_crop_transform([view], num_crops_per_aug=[2]))
        >>> [encoder.name for encoder in recorder.encoders]
        ['crop', 'flip', 'color', 'grayscale', 'blur']
    """

    view_recorder = _View

    def pipelines(self, transform: Any) -> list[Any]:
        """List the pipelines of its views.

        Raises:
            PipelineError: none of solo-learn's transforms.
        """
        return [crops.transform for crops in _crops(transform) for _ in range(crops.num_crops)]


def _crops(transform: Any) -> list[Any]:
    """List the ``NCropAugmentation``s of a transform: a pipeline, and how many views it makes."""
    whole = acts_as(transform, lambda cls: cls is solo.FullTransformPipeline) is not None
    crops = transform.transforms if whole else transform
    listed = list(crops) if isinstance(crops, (list, tuple)) else [crops]
    for entry in listed:
        if acts_as(entry, lambda cls: cls is solo.NCropAugmentation) is None:
            raise PipelineError(
                "SoloRecorder expected solo-learn's FullTransformPipeline of NCropAugmentations, "
                f"found '{type(entry).__name__}'. Wrap it: "
                "FullTransformPipeline([NCropAugmentation(transform, 2)])."
            )
    return listed
