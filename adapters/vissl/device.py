"""Augments VISSL's batches on the device, by Kornia: ``AUGSELF.KORNIA``.

VISSL augments in its data loader's workers only. Here its transforms make plain copies, and
Kornia augments what the data loader put on the device, before the training step sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kornia.augmentation
import torch
from einops import rearrange
from torch import Tensor, nn

from augself_loss.adapters.vissl.transform import KEY
from augself_loss.errors import PipelineError
from augself_loss.parameters import pack
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.built import built
from augself_loss.recording.multiview import mark_of, to_bits

IMAGES = ("data", "data_momentum")
"""Where VISSL's collators put views."""


def pipeline_of(transforms: Sequence[Mapping[str, Any]]) -> nn.Module:
    """Build a Kornia pipeline from a list in the form of VISSL's TRANSFORMS.

    Args:
        transforms: per augmentation its ``name`` in ``kornia.augmentation`` and its arguments.

    Raises:
        PipelineError: a name that Kornia does not have, or arguments that it does not take.

    Example:
        >>> len(pipeline_of([{"name": "RandomHorizontalFlip", "p": 0.5}]))
        1
    """
    modules = [built(transform, "name", "AUGSELF.KORNIA") for transform in transforms]
    pipeline: nn.Module = kornia.augmentation.AugmentationSequential(*modules)
    return pipeline


class DeviceViews:
    """VISSL's iterator over batches, their views augmented on the device.

    Args:
        batches: the task's own iterator, which knows its length.
        transforms: the list of Kornia's augmentations.
        count: number of views N.
        record: whether to add the views' records to the batch, ``(B, N, P)`` int32.
    """

    def __init__(
        self,
        batches: Any,
        transforms: Sequence[Mapping[str, Any]],
        count: int,
        *,
        record: bool,
    ) -> None:
        self.batches, self.count, self.record = batches, count, record
        self.pipeline = pipeline_of(transforms)
        self.recorder = KorniaRecorder(self.pipeline) if record else None

    def __iter__(self) -> DeviceViews:
        return self

    def __len__(self) -> int:
        """Count the epoch's batches: VISSL's schedules ask for it."""
        return len(self.batches)

    def __next__(self) -> dict[str, Any]:
        batch = next(self.batches)
        records: list[Tensor] = []
        augmented = {key: [self._views(held, records) for held in batch[key]] for key in IMAGES
                     if key in batch}  # fmt: skip
        if not records:
            return {**batch, **augmented}
        # Views lie one after the other, in one tensor or in several.
        packed = rearrange(torch.cat(records), "(n b) p -> b n p", n=self.count)
        return {**batch, **augmented, KEY: packed.contiguous()}

    def _views(self, images: Any, records: list[Tensor]) -> Any:
        if isinstance(images, list):
            return [self._views(one, records) for one in images]
        if not isinstance(images, Tensor):
            raise PipelineError(
                f"AUGSELF.KORNIA expected tensors of images, found {type(images).__name__}: "
                "multi-crop batches of padded images are augmented by VISSL's transforms only."
            )
        with torch.no_grad():
            if self.recorder is None:
                views: Any = self.pipeline(images)
                return views
            views, record = self.recorder(images)
        layout = self.recorder.layout
        records.append(to_bits(pack(record, layout), mark_of(layout)))
        return views
