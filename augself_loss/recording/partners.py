"""Gives neighbouring images of a batch one draw: partners, which differ in what is their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from augself_loss.encoders.base import Recorded
from augself_loss.errors import ImageError, PipelineError
from augself_loss.parameters import Record

PAPERS = ("flip", "blur")
"""What every image draws for itself in the paper."""


class Draws(Recorded, Protocol):
    """A recorder of whole batches whose records can be drawn and replayed: ``KorniaRecorder``."""

    def draw(self, images: Tensor, /) -> Record:
        """Draw a record, and make no views."""

    def replay(self, images: Tensor, record: Record, /) -> Tensor:
        """Make the views that a record describes."""


class Partners:
    """Makes views of a batch in which images 2k and 2k + 1 share every draw but their own.

    Even images get the views that the recorder would have given them, odd ones their partner's
    crop, colour and so on. For :class:`~augself_loss.objectives.stl.STL`; two views of each are
    ``MultiViewRecorder(Partners(recorder))``. The pipeline runs once if the recorder can draw
    without it, see ``KorniaRecorder.draw``. Replay checks all images, which waits for an
    accelerator. What the recorder ignores is drawn for each image.

    Args:
        recorder: a ``KorniaRecorder``.
        own: types of which every image keeps its own draw; default: the paper's, flip and blur, as
            far as they are recorded.

    Attributes:
        layout: the recorder's entries.
        encoders: the recorder's encoders.
        shared: record entries that partners have in common.

    Raises:
        PipelineError: a recorder that cannot draw and replay whole batches, or a type that it does
            not record.

    Example:
        >>> import kornia.augmentation as K
        >>> import torch
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> pipeline = K.AugmentationSequential(
        ...     K.RandomResizedCrop((8, 8)), K.RandomHorizontalFlip(p=0.5)
        ... )
        >>> partners = Partners(KorniaRecorder(pipeline), own=["flip"])
        >>> views, record = partners(torch.rand(4, 3, 16, 16))
        >>> bool((record["crop"][0::2] == record["crop"][1::2]).all())
        True
    """

    def __init__(self, recorder: Draws, own: Sequence[str] | None = None) -> None:
        if not all(hasattr(recorder, name) for name in ("layout", "encoders", "draw", "replay")):
            raise PipelineError(
                "Partners expected a recorder that takes whole batches and can replay, found "
                f"{type(recorder).__name__}. Pass a KorniaRecorder."
            )
        self.recorder = recorder
        self.layout, self.encoders = recorder.layout, recorder.encoders
        fields = {encoder.name: tuple(encoder.fields) for encoder in recorder.encoders}
        if own is None:
            own = [name for name in PAPERS if name in fields]
        absent = [own] if isinstance(own, str) else [name for name in own if name not in fields]
        if absent:
            raise PipelineError(
                f"own expected names from the record, {list(fields)}, found {absent}. Name those "
                "that partners do not share, e.g. Partners(recorder, own=['flip'])."
            )
        kept = {entry for name in own for entry in fields[name]}
        self.shared = tuple(entry for entry in self.layout if entry not in kept)

    def __call__(self, images: Tensor) -> tuple[Tensor, Record]:
        """Augment a batch.

        Args:
            images: as the recorder takes them, an even number ``(B, C, H, W)``.

        Returns:
            Views ``(B, C, h, w)`` and their record.

        Raises:
            ImageError: an odd number of images, or such as the recorder refuses.
            PipelineError: a pipeline whose records cannot be replayed.
        """
        if isinstance(images, Tensor) and images.ndim and len(images) % 2:
            raise ImageError(
                f"Partners expected an even number of images, found {len(images)}. Drop the last "
                "batch (drop_last=True), or its last image."
            )
        record = self.recorder.draw(images)
        for name in self.shared:
            record[name] = record[name][0::2].repeat_interleave(2, dim=0)
        return self.recorder.replay(images, record), record
