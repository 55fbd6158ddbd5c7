"""Several views of one image, with their records in a tensor that passes as one view more.

Hosts hand a list of views from the Dataset to the training step, through collates that know
tensors only. So a :class:`MultiViewRecorder` returns the views and, last, one tensor with all their
records; :func:`split_views` takes it off again. It holds the records' float32 bits as int32, so
that a host which casts floating-point batches (to bf16, say) leaves the record as it was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from augself_loss.encoders import Encoder, default_encoders
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Field, Layout, Record, check_layout, pack, unpack

RECORD_DTYPE = torch.int32
"""Same width as the records' float32, and never cast by mixed or true half precision."""


class Recorder(Protocol):
    """What every recorder offers."""

    layout: Layout
    encoders: tuple[Encoder, ...]

    def __call__(self, image: Any, /) -> tuple[Any, Record]:
        """Make one view and its record."""


class MultiViewRecorder:
    """Makes several views of an image, or of a batch, and one more tensor with their records.

    Args:
        recorders: one recorder per view, or one for all; the same object may make several views.
        views: number of views where ``recorders`` is a single one. Default 2.

    Attributes:
        layout: entries that every view's record holds: those of all pipelines together.
        encoders: encoders of the recorded types, their ranges united over the pipelines.

    Raises:
        PipelineError: fewer than two views, or nothing that is recorded.

    Example:
        >>> import kornia.augmentation as K
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> two_views = MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip(p=1.0)))
        >>> *views, packed = two_views(torch.rand(4, 3, 8, 8))
        >>> len(views), packed.shape
        (2, torch.Size([4, 2, 1]))
    """

    def __init__(self, recorders: Recorder | Sequence[Recorder], views: int = 2) -> None:
        if isinstance(views, bool) or not isinstance(views, int):
            raise PipelineError(f"views expected a whole number, found {views!r}.")
        self.recorders = list(recorders) if isinstance(recorders, Sequence) else [recorders] * views
        for recorder in self.recorders:
            if not (callable(recorder) and hasattr(recorder, "layout")):
                raise PipelineError(
                    f"MultiViewRecorder expected recorders, found {type(recorder).__name__}. Give "
                    "the pipeline to a KorniaRecorder or TorchvisionRecorder first."
                )
        if len(self.recorders) < 2:
            raise PipelineError(
                "MultiViewRecorder expected at least two views to compare, found "
                f"{len(self.recorders)}. For one view call the recorder itself."
            )
        held: dict[str, Field] = {}
        for recorder in self.recorders:
            held.update(recorder.layout)
        known = [encoder for recorder in self.recorders for encoder in recorder.encoders]
        united = default_encoders(known)
        recorded = {encoder.name for encoder in known}
        # In the library's order, whichever pipeline came first, and with the united ranges.
        fields = {
            entry: field
            for encoder in united.values()
            for entry, field in encoder.fields.items()
            if entry in held
        }
        self.layout: Layout = {**fields, **{n: f for n, f in held.items() if n not in fields}}
        self.encoders: tuple[Encoder, ...] = tuple(united[n] for n in united if n in recorded)
        if not self.layout:
            raise PipelineError(
                "MultiViewRecorder expected pipelines that augment at random, found none that does."
            )

    def __call__(self, image: Any) -> list[Any]:
        """Make all views.

        Args:
            image: what the recorders take: an image, or a batch of them.

        Returns:
            ``[view 1, …, view N, packed]`` with ``packed`` ``(N, P)`` int32, ``(B, N, P)`` for a
            batch, to be read by :func:`split_views`.
        """
        views, packed = [], []
        for number in range(len(self.recorders)):
            view, record = self.view(number, image)
            views.append(view)
            packed.append(pack(record, self.layout))
        return [*views, torch.stack(packed, dim=-2).float().view(RECORD_DTYPE)]

    def view(self, number: int, image: Any) -> tuple[Any, Record]:
        """Make one of the views, for hosts that ask for them one by one.

        Args:
            number: which of the recorders makes it.
            image: what that recorder takes.

        Returns:
            The view and its record, with the identity of what only another view's pipeline applies.
        """
        view, record = self.recorders[number](image)
        completed = self._completed(record)
        return view, {name: completed[name] for name in self.layout}

    def _completed(self, record: Record) -> Record:
        missing = [name for name in self.layout if name not in record]
        if not missing:
            return record
        like = next(iter(record.values()), torch.empty(1))
        identities = {
            name: like.new_tensor(self.layout[name].identity).expand(*like.shape[:-1], -1)
            for name in missing
        }
        return {**record, **identities}


def split_views(views: Sequence[Tensor], layout: Layout) -> tuple[list[Tensor], list[Record]]:
    """Take the records off the end of a collated list of views.

    Args:
        views: N views ``(B, …)`` and, last, the packed records ``(B, N, P)`` int32.
        layout: the :class:`MultiViewRecorder`'s.

    Returns:
        The N views, and one record per view, entries ``(B, columns)`` float32.

    Raises:
        RecordError: no records at the end, or those of another recorder.
    """
    check_layout(layout)
    is_list = isinstance(views, Sequence) and not isinstance(views, str)
    given = list(views) if is_list else []
    if not (given and is_packed(given[-1])):
        kinds = [tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__ for v in given]
        found = kinds if is_list else type(views).__name__
        raise RecordError(
            "Expected the views of a batch and, last, their records, an int32 tensor (B, N, P), "
            f"found {found}. Give the data set's transform to the recorder and the recorder to "
            "the data set."
        )
    *rest, packed = given
    width = sum(field.width for field in layout.values())
    if packed.shape[1:] != (len(rest), width):
        raise RecordError(
            f"Expected records of {len(rest)} views with {width} columns for {list(layout)}, found "
            f"{tuple(packed.shape)}: they were made by another recorder than the loss was given."
        )
    records = [unpack(view, layout) for view in packed.view(torch.float32).unbind(1)]
    return rest, records


def is_packed(tensor: Any) -> bool:
    """Whether this is a batch's packed records rather than a view."""
    return isinstance(tensor, Tensor) and tensor.dtype == RECORD_DTYPE and tensor.ndim == 3
