"""VISSL's transform ``AugSelfViews``: runs a list of VISSL's transforms and records every view.

VISSL runs its list stage by stage over all views. Here its own stages do so too, on views that
carry the notes of the steps that made them, so that nothing depends on which stage copies or crops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torchvision.transforms
from classy_vision.dataset.transforms import TRANSFORM_REGISTRY, register_transform
from classy_vision.dataset.transforms.classy_transform import ClassyTransform
from vissl.data.ssl_transforms import DEFAULT_TRANSFORM_TYPES, get_transform
from vissl.data.ssl_transforms.img_pil_multicrop_random_apply import ImgPilMultiCropRandomApply
from vissl.data.ssl_transforms.img_pil_to_multicrop import ImgPilToMultiCrop
from vissl.data.ssl_transforms.img_replicate_pil import ImgReplicatePil

from augself_loss.adapters.vissl.readers import ViewRecorder, recorder_of
from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.notes import Note, logged
from augself_loss.recording.presets import acts_as

NAME = "AugSelfViews"
KEY = "augself"
"""Where a sample, and a batch, holds its views' packed records."""

MAKING = (ImgReplicatePil, ImgPilToMultiCrop, ImgPilMultiCropRandomApply)
"""What makes several images of one, or changes each of them in its own way."""

# VISSL's own table of the transforms that take a whole sample: data, labels and all.
ON_SAMPLES = DEFAULT_TRANSFORM_TYPES["TRANSFORMS_WITH_OVERWRITE_ENTIRE_BATCH"]
ON_SAMPLES.append(NAME)


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
        self.pipeline, views = _followed(transforms, ignore)
        if len(views) < 2:
            raise PipelineError(
                "DATA.TRAIN.TRANSFORMS expected at least two views of an image, found "
                f"{len(views)}. Make them with ImgReplicatePil or ImgPilToMultiCrop."
            )
        self.recorder = MultiViewRecorder(views)

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
                f"{NAME} expected one image per sample, found {len(sample['data'])}. Use a single "
                "data source."
            )
        sample["data"] = [_Tracked(image) for image in sample["data"]]
        sample = self.pipeline(sample)
        *sample["data"], sample[KEY] = self.recorder(iter(sample["data"]))
        return sample

    @staticmethod
    def count(transforms: Sequence[Mapping[str, Any]], ignore: Sequence[str] = ()) -> int:
        """Count the views of a list that shall augment nothing: the device will.

        Raises:
            PipelineError: a transform at random, or fewer than two views.
        """
        # A crop at the centre is what the device then takes for the source image.
        _, views = _followed(transforms, ("CenterCrop", *ignore))
        found = {entry: None for view in views for entry in view.layout}
        if found or len(views) < 2:
            raise PipelineError(
                "AUGSELF.KORNIA expected TRANSFORMS that only copy the image (ImgReplicatePil, "
                f"Resize, CenterCrop, ToTensor), found {len(views)} views and {list(found)}. Move "
                "augmentations to KORNIA, or name them in AUGSELF.IGNORE."
            )
        return len(views)


class _Tracked:
    """A view on its way through the stages, with the notes of the steps that made it."""

    def __init__(self, image: Any, notes: Sequence[Note] = ()) -> None:
        self.image, self.notes = image, notes

    def copy(self) -> _Tracked:
        """Copy it, as ``ImgReplicatePil`` copies images: each goes its own way from here."""
        return _Tracked(self.image.copy(), self.notes)


class _Carried:
    """Runs a transform on a view, which carries on what it noted."""

    def __init__(self, transform: Any, ignore: tuple[type, ...]) -> None:
        (self.transform,) = recorder_of([transform], ignore).transform.transforms

    def __call__(self, view: _Tracked) -> Any:
        with logged() as notes:
            made = self.transform(view.image)
        image, *label = made if isinstance(made, tuple) else (made,)
        tracked = _Tracked(image, [*view.notes, *notes])
        return (tracked, *label) if label else tracked


def _followed(
    transforms: Sequence[Mapping[str, Any]], ignore: Sequence[str]
) -> tuple[Any, list[ViewRecorder]]:
    """Build a pipeline whose views carry their steps, and the recorder of every view.

    Raises:
        PipelineError: a random transform that is not known, by name, or one for other views.
    """
    pipeline = get_transform([dict(transform) for transform in transforms])
    classes = tuple(map(_class_of, ignore))
    views: list[list[Any]] = [[]]
    for stage in pipeline.transforms:
        if stage.name not in ON_SAMPLES:
            views = _through(stage, views, classes)
    return pipeline, [recorder_of(view, classes) for view in views]


def _through(stage: Any, views: list[list[Any]], ignore: tuple[type, ...]) -> list[list[Any]]:
    """Make a stage run on views that carry their steps.

    Args:
        stage: one of VISSL's, changed in place.
        views: every view's transforms until here, in the order in which the stages run them.
        ignore: classes whose randomness shall not be recorded.

    Returns:
        Every view's transforms after it.
    """
    transform = stage.transform
    kind = acts_as(transform, MAKING.__contains__)
    if kind is ImgReplicatePil:
        return [view for view in views for _ in range(transform.num_times)]
    if kind is None:
        stage.transform = _Carried(transform, ignore)
        for number in stage.indices or range(len(views)):
            views[number] = [*views[number], transform]
        return views
    held = transform.transforms
    transform.transforms = [_Carried(one, ignore) for one in held]
    if kind is ImgPilToMultiCrop:
        return [[*view, one] for view in views for one in held]
    if len(held) != len(views):
        raise PipelineError(
            f"'{stage.name}' expected one probability per view, found {len(held)} for "
            f"{len(views)} views."
        )
    return [[*view, one] for view, one in zip(views, held, strict=True)]


def _class_of(name: str) -> type:
    """Find a transform's class by the name that VISSL's config gives it."""
    found = TRANSFORM_REGISTRY.get(name, getattr(torchvision.transforms, name, None))
    if not isinstance(found, type):
        raise PipelineError(
            f"AUGSELF.IGNORE expected names of VISSL's or torchvision's transforms, found {name!r}."
        )
    return found
