"""Gives neighbouring images of a batch one draw: partners, which differ in what is their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from augself_loss.encoders.base import Recorded
from augself_loss.errors import ImageError, PipelineError
from augself_loss.parameters import Record

PAPERS = ("flip", "blur")
"""What every image draws for itself in STL's paper."""


class Draws(Recorded, Protocol):
    """A recorder of whole batches whose records can be drawn and replayed: ``KorniaRecorder``."""

    def draw(self, images: Tensor, /) -> Record:
        """Draw a record, and make no views."""

    def replay(self, images: Tensor, record: Record, /) -> Tensor:
        """Make the views that a record describes."""


class Partners:
    """Makes views of a batch in which images 2k and 2k + 1 share every draw but their own.

    The first of a group gets the view that the recorder would have given it, the others its crop,
    colour and so on. For :class:`~augself_loss.objectives.stl.STL` and
    :class:`~augself_loss.objectives.care.CARE`; two views of each image are
    ``MultiViewRecorder(Partners(recorder))``. The pipeline runs once if the recorder can draw
    without it, see ``KorniaRecorder.draw``. Replay checks all images, which waits for an
    accelerator. What the recorder ignores is drawn for each image.

    Args:
        recorder: a ``KorniaRecorder``.
        own: types of which every image keeps its own draw; default: STL's, flip and blur, as far as
            they are recorded. CARE takes ``[]``.
        group: how many images next to each other share a draw.

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

    def __init__(
        self, recorder: Draws, own: Sequence[str] | None = None, *, group: int = 2
    ) -> None:
        if not all(hasattr(recorder, name) for name in ("layout", "encoders", "draw", "replay")):
            raise PipelineError(
                "Partners expected a recorder that takes whole batches and can replay, found "
                f"{type(recorder).__name__}. Pass a KorniaRecorder."
            )
        if isinstance(group, bool) or not isinstance(group, int) or group < 2:
            raise PipelineError(f"group expected a whole number of at least 2, found {group!r}.")
        self.recorder, self.group = recorder, group
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
            images: as the recorder takes them, ``(B, C, H, W)``, with whole groups: an even B.

        Returns:
            Views ``(B, C, h, w)`` and their record.

        Raises:
            ImageError: images left over by the groups, or such as the recorder refuses.
            PipelineError: a pipeline whose records cannot be replayed.
        """
        if isinstance(images, Tensor) and images.ndim and len(images) % self.group:
            number = "even" if self.group == 2 else f"a multiple of {self.group}"
            raise ImageError(
                f"Partners expected a number of images that is {number}, found {len(images)}. Drop "
                "the last batch (drop_last=True), or the images that are left over."
            )
        record = self.recorder.draw(images)
        for name in self.shared:
            record[name] = record[name][0 :: self.group].repeat_interleave(self.group, dim=0)
        return self.recorder.replay(images, record), record
