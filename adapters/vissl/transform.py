"""VISSL's transform ``AugSelfViews``: runs a list of VISSL's transforms and records every view.

VISSL runs its list stage by stage over all views. Here its own stages do so too, on views that
carry the steps that made them, so that nothing depends on which stage copies or crops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torchvision.transforms
from classy_vision.dataset.transforms import TRANSFORM_REGISTRY, register_transform
from classy_vision.dataset.transforms.classy_transform import ClassyTransform
from torchvision.transforms.v2.functional import get_size
from vissl.data.ssl_transforms import DEFAULT_TRANSFORM_TYPES, get_transform
from vissl.data.ssl_transforms.img_pil_multicrop_random_apply import ImgPilMultiCropRandomApply
from vissl.data.ssl_transforms.img_pil_to_multicrop import ImgPilToMultiCrop
from vissl.data.ssl_transforms.img_replicate_pil import ImgReplicatePil
from vissl.data.ssl_transforms.img_rotate_pil import ImgRotatePil

from augself_loss.adapters.vissl.readers import quarter_turns, recorder_of
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.parameters import Record
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.notes import Entry, logged

NAME = "AugSelfViews"
KEY = "augself"
"""Where a sample, and a batch, holds its views' packed records."""

# VISSL's own table of the transforms that take a whole sample: data, labels and all.
DEFAULT_TRANSFORM_TYPES["TRANSFORMS_WITH_OVERWRITE_ENTIRE_BATCH"].append(NAME)


@register_transform(NAME)
class AugSelfViews(ClassyTransform):  # type: ignore[misc]
    """Runs a list of VISSL's transforms and adds the records of all views to the sample.

    The launcher puts it around ``DATA.TRAIN.TRANSFORMS``; you can also write it there yourself.
    The views are bit for bit those of the list alone under the same seeds.

    Args:
        transforms: VISSL's configuration of a list of transforms.
        ignore: names of transforms whose randomness shall not be recorded.

    Attributes:
        recorder: settles the records; it says their ``layout`` and the ``encoders``.

    Raises:
        PipelineError: a random transform that is not known, by name, or fewer than two views.

    Example:
        >>> views = AugSelfViews(
        ...     [
        ...         {"name": "ImgReplicatePil", "num_times": 2},
        ...         {"name": "RandomResizedCrop", "size": 16},
        ...         {"name": "ToTensor"},
        ...     ]
        ... )
        >>> list(views.recorder.layout)
        ['crop', 'flip']
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]], ignore: Sequence[str] = ()) -> None:
        classes = tuple(_class_of(name) for name in ignore)
        self.pipeline = get_transform([dict(transform) for transform in transforms])
        stages = self.pipeline.transforms
        views = _views(stages)
        if len(views) < 2:
            raise PipelineError(
                "DATA.TRAIN.TRANSFORMS expected to make at least two views of an image "
                f"(ImgReplicatePil, ImgPilToMultiCrop), found {len(views)}."
            )
        self.recorder = MultiViewRecorder(
            [_View(number, view, classes) for number, view in enumerate(views)]
        )
        for stage in stages:
            _carry(stage, classes)

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make the views of a sample.

        Args:
            sample: VISSL's sample, ``data`` a list with one PIL image.

        Returns:
            The sample, ``data`` a list of views, and their packed records ``(N, P)`` int32.

        Raises:
            PipelineError: a sample with several images.
        """
        if len(sample["data"]) != 1:
            raise PipelineError(
                f"{NAME} expected one image per sample, found {len(sample['data'])}: several data "
                "sources in one sample are not recorded."
            )
        sample["data"] = [_Tracked(image, []) for image in sample["data"]]
        sample = self.pipeline(sample)
        *sample["data"], sample[KEY] = self.recorder(sample["data"])
        return sample

    @staticmethod
    def count(transforms: Sequence[Mapping[str, Any]], ignore: Sequence[str] = ()) -> int:
        """Count the views of a list that shall augment nothing: the device will.

        Raises:
            PipelineError: a transform at random, or fewer than two views.
        """
        # A crop at the centre is what the device then takes for the source image.
        classes = (torchvision.transforms.CenterCrop, *(_class_of(name) for name in ignore))
        views = _views(get_transform([dict(transform) for transform in transforms]).transforms)
        found = {entry: None for view in views for entry in recorder_of(view, classes).layout}
        if found or len(views) < 2:
            raise PipelineError(
                "AUGSELF.KORNIA expected TRANSFORMS that only copy the image (ImgReplicatePil, "
                f"Resize, CenterCrop, ToTensor), found {len(views)} views and {list(found)}. Move "
                "what augments to KORNIA, or name it in AUGSELF.IGNORE."
            )
        return len(views)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> AugSelfViews:
        """Build it from VISSL's configuration: ``transforms`` and ``ignore``."""
        return cls(config["transforms"], config.get("ignore", ()))


class _Tracked:
    """A view on its way through the stages, with the steps that made it."""

    def __init__(self, image: Any, steps: list[Entry]) -> None:
        self.image, self.steps = image, steps


class _View:
    """Recorder of one view: settles the steps of the view that was made already."""

    def __init__(self, number: int, transforms: Sequence[Any], ignore: tuple[type, ...]) -> None:
        self.number = number
        self.recorder = recorder_of(transforms, ignore)
        self.layout, self.encoders = self.recorder.layout, self.recorder.encoders

    def __call__(self, views: Sequence[_Tracked]) -> tuple[Any, Record]:
        view = views[self.number]
        return view.image, self.recorder.settle(view.steps)


class _Carried:
    """Runs a transform on a view, which carries on what it noted."""

    def __init__(self, transform: Any, ignore: tuple[type, ...]) -> None:
        (self.transform,) = recorder_of([transform], ignore).transform.transforms

    def __call__(self, view: _Tracked) -> _Tracked:
        with logged() as steps:
            image = self.transform(view.image)
        return _Tracked(image, [*view.steps, *steps])


class _Replicated:
    """Runs ``ImgReplicatePil``: every copy goes its own way."""

    def __init__(self, replicate: Any) -> None:
        self.replicate = replicate

    def __call__(self, view: _Tracked) -> list[_Tracked]:
        return [_Tracked(image, list(view.steps)) for image in self.replicate(view.image)]


class _Turned:
    """Runs ``ImgRotatePil``, which returns a label besides the view."""

    def __init__(self, rotate: Any) -> None:
        self.rotate = rotate

    def __call__(self, view: _Tracked) -> tuple[_Tracked, int]:
        image, label = self.rotate(view.image)
        height, width = get_size(view.image)
        step = Step("ImgRotatePil", {}, {}, (height, width))
        entry = {"rotation": (quarter_turns(self.rotate, label),)}
        return _Tracked(image, [*view.steps, (step, entry)]), label


def _views(stages: Sequence[Any]) -> list[list[Any]]:
    """List the transforms of every view, in the order in which the stages run them."""
    views: list[list[Any]] = [[]]
    for stage in stages:
        transform = stage.transform
        if _takes_samples(stage):
            continue
        if isinstance(transform, ImgReplicatePil):
            views = [list(view) for view in views for _ in range(transform.num_times)]
        elif isinstance(transform, ImgPilToMultiCrop):
            views = [[*view, crop] for view in views for crop in transform.transforms]
        elif isinstance(transform, ImgPilMultiCropRandomApply):
            if len(transform.transforms) != len(views):
                raise PipelineError(
                    f"'{stage.name}' expected one probability per view, found "
                    f"{len(transform.transforms)} for {len(views)} views."
                )
            views = [[*v, one] for v, one in zip(views, transform.transforms, strict=True)]
        else:
            for number in stage.indices or range(len(views)):
                views[number].append(transform)
    return views


def _carry(stage: Any, ignore: tuple[type, ...]) -> None:
    """Make one of VISSL's stages run on views that carry their steps."""
    transform = stage.transform
    if _takes_samples(stage):
        return
    if isinstance(transform, ImgReplicatePil):
        stage.transform = _Replicated(transform)
    elif isinstance(transform, (ImgPilToMultiCrop, ImgPilMultiCropRandomApply)):
        transform.transforms = [_Carried(one, ignore) for one in transform.transforms]
    elif isinstance(transform, ImgRotatePil):
        stage.transform = _Turned(transform)
    else:
        stage.transform = _Carried(transform, ignore)


def _takes_samples(stage: Any) -> bool:
    return stage.name in DEFAULT_TRANSFORM_TYPES["TRANSFORMS_WITH_OVERWRITE_ENTIRE_BATCH"]


def _class_of(name: str) -> type:
    """Find a transform's class by the name that VISSL's config gives it."""
    found = TRANSFORM_REGISTRY.get(name, getattr(torchvision.transforms, name, None))
    if not isinstance(found, type):
        raise PipelineError(
            f"AUGSELF.IGNORE expected names of VISSL's or torchvision's transforms, found {name!r}."
        )
    return found
