"""Records solo-learn's transforms as they are: ``SoloRecorder(FullTransformPipeline([...]))``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from augself_loss.encoders import BlurEncoder, Encoder, EqualizeEncoder, SolarizeEncoder
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError, missing_package
from augself_loss.recording.foresee import PYTHON, foreseen
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision_taps import Apply

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


class SoloRecorder(MultiViewRecorder):
    """Runs solo-learn's transform and returns its views and, last, one tensor with their records.

    Give it to ``prepare_datasets`` in the transform's place. The views are bit for bit the
    transform's own under the same seeds of torch and Python; the records pass ``default_collate``.

    Args:
        transform: a ``FullTransformPipeline`` (what ``prepare_n_crop_transform`` returns), or one
            ``NCropAugmentation``; solo-learn's own blur, solarization and equalization, and
            torchvision's transforms, are recorded.
        encoders: encoders of augmentations of your own, see
            :class:`~augself_loss.recording.torchvision.TorchvisionRecorder`.
        register: how to run and read any other random callable, see there.
        ignore: callables or classes whose randomness shall not be recorded.
        types: types to record even if no view's pipeline applies them (as the identity).

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

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        types: Iterable[str] = (),
    ) -> None:
        encoders, ignore, types = tuple(encoders), tuple(ignore), tuple(types)
        own = dict(register or {})
        views: list[TorchvisionRecorder] = []
        for crops in _crops(transform):
            known, still = _known(crops.transform)
            recorder = TorchvisionRecorder(
                crops.transform,
                encoders=encoders,
                # The first that fits counts: the user's, by class too, before what is known.
                register={**own, **{k: v for k, v in known.items() if k not in own}},
                ignore=ignore,
                still=still,
                wrappers=dict.fromkeys(map(type, _wrappers(crops.transform)), "transform"),
                types=types,
            )
            views += [recorder] * crops.num_crops
        super().__init__(views)


def _crops(transform: Any) -> list[Any]:
    """List the ``NCropAugmentation``s of a transform: a pipeline, and how many views it makes."""
    crops = transform.transforms if isinstance(transform, solo.FullTransformPipeline) else transform
    listed = list(crops) if isinstance(crops, (list, tuple)) else [crops]
    for entry in listed:
        if not isinstance(entry, solo.NCropAugmentation):
            raise PipelineError(
                "SoloRecorder expected solo-learn's FullTransformPipeline of NCropAugmentations, "
                f"found '{type(entry).__name__}'. Wrap it: "
                "FullTransformPipeline([NCropAugmentation(transform, 2)])."
            )
    return listed


def _wrappers(transform: Any) -> Iterator[Any]:
    """List the transforms that only run the pipeline that they hold; 1.0.2 has one per data set."""
    return (t for t in _steps(transform) if _is_wrapper(t))


def _is_wrapper(transform: Any) -> bool:
    return isinstance(transform, getattr(solo, "BaseTransform", ()))


def _steps(transform: Any) -> Iterator[Any]:
    """List a pipeline's transforms, the containers and wrappers among them."""
    yield transform
    held = (
        (transform.transform,) if _is_wrapper(transform) else getattr(transform, "transforms", ())
    )
    for child in held:
        yield from _steps(child)


def _known(transform: Any) -> tuple[dict[Any, tuple[Encoder, Apply]], list[Any]]:
    """Say how solo-learn's own transforms are read, and list those that are never applied."""
    known: dict[Any, tuple[Encoder, Apply]] = {}
    still = []
    for step in _steps(transform):
        # A subclass may draw otherwise: it is refused like any other unknown transform.
        kind = type(step)
        if kind.__module__.startswith("torchvision.") and getattr(step, "p", None) == 0:
            still.append(step)
        elif kind is solo.GaussianBlur:
            low, high = step.sigma
            known[step] = BlurEncoder((low, high)), _apply_blur
        elif kind is solo.Solarization:
            known[step] = SolarizeEncoder(THRESHOLD), _apply_solarization
        elif kind is getattr(solo, "Equalization", None):
            known[step] = EqualizeEncoder(), _apply_equalization
    return known, still


def _apply_blur(blur: Any, image: Any) -> tuple[Any, Columns | None]:
    return foreseen(blur, image, lambda b, rng: (rng.uniform(*b.sigma[:2]),), PYTHON, VERSIONS)


def _apply_solarization(solarization: Any, image: Any) -> tuple[Any, Columns]:
    return solarization(image), (THRESHOLD,)


def _apply_equalization(equalization: Any, image: Any) -> tuple[Any, Columns]:
    return equalization(image), (1.0,)
