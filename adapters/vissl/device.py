"""Augments VISSL's batches on the device, by Kornia: ``AUGSELF.KORNIA``.

VISSL augments in its data loader's workers only. Here its transforms make plain copies, and
Kornia augments what the data loader put on the device, before the training step sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import kornia.augmentation
import torch
from einops import rearrange
from torch import Tensor, nn

from augself_loss.adapters.vissl.transform import KEY
from augself_loss.errors import PipelineError
from augself_loss.recording.kornia.built import built
from augself_loss.recording.multiview import MultiViewRecorder

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


class DeviceViews(Iterator[dict[str, Any]]):
    """VISSL's iterator over batches, their views augmented on the device and recorded.

    Args:
        batches: the task's own iterator, which knows its length.
        recorder: of one Kornia pipeline, for all views.
    """

    def __init__(self, batches: Any, recorder: MultiViewRecorder) -> None:
        self.batches, self.recorder = batches, recorder

    def __len__(self) -> int:
        """Count the epoch's batches: VISSL's schedules ask for it."""
        return len(self.batches)

    def __next__(self) -> dict[str, Any]:
        batch = dict(next(self.batches))
        records: list[Tensor] = []
        for key in IMAGES:
            if key in batch:
                batch[key] = [self._views(held, records) for held in batch[key]]
        # Views lie one after the other, in one tensor or in several.
        packed = rearrange(torch.cat(records), "(n b) p -> b n p", n=len(self.recorder.recorders))
        return {**batch, KEY: packed.contiguous()}

    def _views(self, images: Any, records: list[Tensor]) -> Any:
        if isinstance(images, list):
            return [self._views(one, records) for one in images]
        if not isinstance(images, Tensor):
            raise PipelineError(
                f"AUGSELF.KORNIA expected tensors of images, found {type(images).__name__}. "
                "Augment multi-crop batches of padded images with VISSL's own transforms."
            )
        with torch.no_grad():
            views, bits = self.recorder.bits_of_view(0, images)
        records.append(bits)
        return views
