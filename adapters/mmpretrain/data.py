"""Where views and records are made: a transform for the pipeline, a preprocessor for the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmpretrain.datasets.transforms import MultiView
from mmpretrain.models import SelfSupDataPreprocessor
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import nn

from augself_loss.adapters.mmpretrain.recorder import MMRecorder, Own
from augself_loss.errors import LossError, PipelineError, RecordError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.built import built
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.names import check_ignore

KEY = "aug_params"
"""Where a sample's records are, in ``results`` and in its ``DataSample``."""


@TRANSFORMS.register_module()
class RecordedMultiView(MultiView):  # type: ignore[misc]
    """MultiView that also records what it did; ``dict(type='RecordedMultiView', …)``.

    The views are bit for bit MultiView's. The records are the key ``aug_params``: have them packed
    with ``dict(type='PackInputs', algorithm_keys=('aug_params',))``.

    Args:
        transforms: as MultiView's, a list of pipelines.
        num_views: as MultiView's, how many views each pipeline makes.
        register: class name of a transform of your own → dotted name of ``(encoder, apply)``, see
            :class:`~augself_loss.adapters.mmpretrain.recorder.MMRecorder`.
        ignore: class names of transforms whose randomness shall not be recorded.
        types: types to record even if no view's pipeline applies them (as the identity).

    Attributes:
        recorder: its layout and its encoders, with these pipelines' ranges.

    Raises:
        PipelineError: fewer than two views, nothing random, or a random transform that is not
            known, by name.

    Example:
        >>> import numpy as np
        >>> views = RecordedMultiView([[dict(type="RandomFlip", prob=1.0)]], num_views=2)
        >>> results = views(dict(img=np.zeros((8, 8, 3), np.uint8)))
        >>> len(results["img"]), results["aug_params"].shape
        (2, (2, 2))
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        num_views: int | Sequence[int],
        *,
        register: Mapping[str, Own | str] | None = None,
        ignore: Iterable[str] = (),
        types: Iterable[str] = (),
    ) -> None:
        super().__init__(transforms, num_views)
        ignore = check_ignore(ignore, by_name=True)
        options: Any = {"register": register, "ignore": ignore, "types": tuple(types)}
        views: list[MMRecorder] = []
        for line, count in zip(self.pipelines, self.num_views, strict=True):
            views += [MMRecorder(line, **options)] * count
        self.recorder = MultiViewRecorder(views)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Make the views and their records.

        Args:
            results: with the image ``(H, W, C)`` as ``img``.

        Returns:
            The same dict, ``img`` a list of N views, ``aug_params`` int32 ``(N, P)``.
        """
        *views, packed = self.recorder(results)
        results.update({"img": views, KEY: packed.numpy()})
        return results


@MODELS.register_module()
class KorniaDataPreprocessor(SelfSupDataPreprocessor):  # type: ignore[misc]
    """SelfSupDataPreprocessor that makes the views itself, with Kornia, on the model's device.

    The pipeline then only loads images of one size: ``LoadImageFromFile``, ``Resize``,
    ``PackInputs``. Images are brought to [0, 1] for Kornia, and views back to 0–255 for ``mean``
    and ``std``. Without training (``mode='tensor'``, tests) it is a SelfSupDataPreprocessor.

    Args:
        transforms: a list of pipelines, each a list of Kornia augmentations or of dicts whose
            ``type`` is a class of ``kornia.augmentation``.
        num_views: how many views each pipeline makes, as MultiView's.
        types: types to record even if no view's pipeline applies them (as the identity).
        **options: SelfSupDataPreprocessor's: ``mean``, ``std``, ``to_rgb``, …

    Attributes:
        recorder: its layout and its encoders, with these pipelines' ranges.
        records: whether batches end with their records; set by ``AugSelf``.

    Raises:
        PipelineError: fewer than two views, nothing random, or an augmentation that is not known.

    Example:
        >>> flip = dict(type="RandomHorizontalFlip", p=1.0)
        >>> preprocessor = KorniaDataPreprocessor([[flip]], num_views=2)
        >>> images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> batch = preprocessor(dict(inputs=images, data_samples=None), training=True)
        >>> [tuple(view.shape) for view in batch["inputs"]]
        [(4, 3, 8, 8), (4, 3, 8, 8)]
    """

    def __init__(
        self,
        transforms: Sequence[Sequence[Any]],
        num_views: int | Sequence[int],
        *,
        types: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        counts = [num_views] if isinstance(num_views, int) else list(num_views)
        if len(counts) != len(transforms):
            raise PipelineError(
                f"num_views expected one number for each of {len(transforms)} pipelines, found "
                f"{num_views!r}."
            )
        wanted, views = tuple(types), []
        for line, count in zip(transforms, counts, strict=True):
            steps = [built(step, "type", "KorniaDataPreprocessor") for step in line]
            views += [KorniaRecorder(nn.Sequential(*steps), types=wanted)] * count
        self.recorder = MultiViewRecorder(views)
        self.records = False

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Make the views of a batch while training.

        Args:
            data: ``inputs`` ``(B, C, H, W)``, uint8 or 0–255, and ``data_samples``.
            training: whether to augment.

        Returns:
            ``inputs``, the list of views and, with :attr:`records`, their packed records; and
            ``data_samples``.
        """
        if not training:
            done: dict[str, Any] = super().forward(data, training)
            return done
        cast = self.cast_data(data)
        images = cast["inputs"]
        if not isinstance(images, torch.Tensor) or images.ndim != 4:
            found = type(images).__name__
            raise RecordError(
                "KorniaDataPreprocessor expected one tensor of images (B, C, H, W), found "
                f"{found}. Leave MultiView out of the pipeline, resize images to one size there "
                "(Resize), and collate with default_collate."
            )
        if self._channel_conversion:
            images = images[:, [2, 1, 0], ...]
        with torch.no_grad():
            *views, packed = self.recorder(images.float() / 255)
            views = [view * 255 for view in views]
            if self._enable_normalize:
                views = [(view - self.mean) / self.std for view in views]
        batch = [*views, packed] if self.records else views
        return {"inputs": batch, "data_samples": cast.get("data_samples")}


def recorder_of(pipeline: Any) -> MultiViewRecorder:
    """Find the recorder of a pipeline's config, and refuse one whose records would be lost.

    Args:
        pipeline: the data set's ``pipeline``: a list of dicts.

    Raises:
        LossError: no ``RecordedMultiView`` in it.
        PipelineError: ``PackInputs`` drops the records.
    """
    steps = [step for step in pipeline if isinstance(step, Mapping)]
    types = (step.get("type") for step in steps)
    names = [str(getattr(kind, "__name__", kind)).rpartition(".")[2] for kind in types]
    if "RecordedMultiView" not in names:
        raise LossError(
            "augself.pipeline expected dict(type='RecordedMultiView', …) in place of MultiView, "
            f"found {names}. Methods of one view (MAE, SimMIM) have no pair of views to compare."
        )
    for step, name in zip(steps, names, strict=True):
        if name == "PackInputs" and KEY not in step.get("algorithm_keys", ()):
            raise PipelineError(
                f"PackInputs expected algorithm_keys with '{KEY}', found "
                f"{step.get('algorithm_keys', ())}: the records would not reach the model. Write "
                f"dict(type='PackInputs', algorithm_keys=('{KEY}',))."
            )
    views: RecordedMultiView = TRANSFORMS.build(steps[names.index("RecordedMultiView")])
    return views.recorder
