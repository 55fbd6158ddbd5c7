"""Several views of one image, with their records in a tensor that passes as one more view.

Hosts hand a list of views from the Dataset to the training step, through collates that know only
tensors. So a :class:`MultiViewRecorder` returns the views and, last, one tensor with all their
records (:mod:`~augself_loss.recording.packed`); :func:`split_views` takes it off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from augself_loss.encoders import Encoder, default_encoders
from augself_loss.encoders.base import Recorded
from augself_loss.encoders.in_place import Starts
from augself_loss.errors import PipelineError
from augself_loss.parameters import Field, Layout, Record, pack, side_by_side, widths_of
from augself_loss.recording.forms import PackedForm
from augself_loss.recording.packed import (
    RECORD_DTYPE,
    check_images,
    from_bits,
    is_packed,
    mark_of,
    split_views,
    to_bits,
)
from augself_loss.recording.rows import Row
from augself_loss.recording.uncollated import UNCOLLATED, entries_of, is_uncollated

__all__ = [
    "RECORD_DTYPE",
    "UNCOLLATED",
    "MultiViewRecorder",
    "Recorder",
    "check_images",
    "entries_of",
    "from_bits",
    "is_packed",
    "is_uncollated",
    "mark_of",
    "split_views",
    "to_bits",
]


class Recorder(Recorded, Protocol):
    """What every recorder offers."""

    def __call__(self, image: Any, /) -> tuple[Any, Record]:
        """Make one view and its record."""


class MultiViewRecorder:
    """Makes several views of an image or a batch, and one more tensor with their records.

    Args:
        recorders: one recorder per view, or one for all; the same object may make several views.
        views: number of views if ``recorders`` is a single one; default 2.

    Attributes:
        layout: entries of every view's record: those of all pipelines together.
        encoders: encoders of the recorded types, their ranges united over the pipelines.
        form: what its rows of numbers are shown as; ``None`` if some recorder writes none, as
            those of batches do.

    Raises:
        PipelineError: fewer than two views, ``views`` beside a list of another length, or nothing
            that is recorded.

    Example:
        >>> import kornia.augmentation as K
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> two_views = MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip(p=1.0)))
        >>> *views, packed = two_views(torch.rand(4, 3, 8, 8))
        >>> len(views), packed.shape
        (2, torch.Size([4, 2, 2]))
    """

    def __init__(self, recorders: Recorder | Sequence[Recorder], views: int | None = None) -> None:
        self.recorders = _per_view(recorders, views)
        for recorder in self.recorders:
            if not (callable(recorder) and hasattr(recorder, "layout")):
                raise PipelineError(
                    f"MultiViewRecorder expected recorders, found {type(recorder).__name__}. Wrap "
                    "the pipeline in a KorniaRecorder or TorchvisionRecorder first."
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
                "MultiViewRecorder expected pipelines with random augmentations, found none."
            )
        self._mark, self._widths = mark_of(self.layout), widths_of(self.layout)
        self.form: PackedForm | None = None
        if all(map(self._can_write, self.recorders)):
            self.form = PackedForm(self.layout, self._mark, len(self.recorders))

    def __call__(self, image: Any, *more: Any) -> list[Any]:
        """Make all views.

        Args:
            image: what the recorders take: an image, a batch, or a sample with masks and boxes.
            *more: the rest of the sample.

        Returns:
            ``[view 1, …, view N, packed]`` with ``packed`` ``(N, P)`` int32, ``(B, N, P)`` for a
            batch, for :func:`split_views`; P is the layout's columns and the mark.
        """
        if self.form is not None:
            row, packed = self.form.take()
            return self.form.beside(self.fill(row, image, *more), packed)
        self.follow()
        made = [self.view(number, image, *more) for number in range(len(self.recorders))]
        return [*(view for view, _ in made), self.packed([record for _, record in made])]

    def fill(self, row: Row, image: Any, *more: Any) -> list[Any]:
        """Make all views, and write their records into a row of :attr:`form`.

        Args:
            row: the identity of all of them.
            image: as for a call.
            *more: as for a call.

        Returns:
            The views.
        """
        assert self.form is not None
        self.follow()
        made = zip(self.recorders, self.form.starts, strict=True)
        return [_fill(recorder, row, starts, image, *more) for recorder, starts in made]

    def follow(self) -> None:
        """Check that the views are still made as they were; each recorder follows its own."""

    def view(self, number: int, image: Any, *more: Any) -> tuple[Any, Record]:
        """Make one of the views, for hosts that ask for them one by one.

        Args:
            number: index of the recorder that makes it.
            image: what that recorder takes.
            *more: the rest of the sample.

        Returns:
            The view and its record, with the identity for what only other views' pipelines apply.
        """
        view, record = self.recorders[number](image, *more)  # those of one image refuse more
        return view, self._completed(record, view)

    def packed(self, records: Sequence[Record]) -> Tensor:
        """Pack the records of all views.

        Args:
            records: one per view, as :meth:`view` returns it.

        Returns:
            ``(..., N, P)`` int32, what :meth:`__call__` returns last.
        """
        return to_bits(torch.stack([self._row(record) for record in records], dim=-2), self._mark)

    def bits(self, record: Record) -> Tensor:
        """Write one view's record as it travels, for hosts whose views carry their own.

        Args:
            record: what :meth:`view` returned.

        Returns:
            ``(P,)`` int32, ``(B, P)`` for a batch, for :func:`from_bits`.
        """
        return to_bits(self._row(record), self._mark)

    def bits_of_view(self, number: int, image: Any, *more: Any) -> tuple[Any, Tensor]:
        """Make one of the views and its record as it travels: :meth:`view` and :meth:`bits`.

        Args:
            number: index of the recorder that makes it.
            image: what that recorder takes.
            *more: the rest of the sample.

        Returns:
            The view, and ``(P,)`` int32, ``(B, P)`` for a batch.
        """
        if self.form is None:
            view, record = self.view(number, image, *more)
            return view, self.bits(record)
        row, packed = self.form.take()
        view = _fill(self.recorders[number], row, self.form.starts[number], image, *more)
        return view, packed[number]

    def _can_write(self, recorder: Recorder) -> bool:
        """Whether a recorder writes rows, and what it writes fits into this layout's."""
        own = recorder.layout.items()
        fits = all(self.layout[entry].width == field.width for entry, field in own)
        return fits and getattr(recorder, "writes_rows", False)

    def _row(self, record: Record) -> Tensor:
        """Find the tensor that a record's entries are columns of, or write it: ``(..., P)``."""
        entries = list(record.values())
        row = side_by_side(entries)
        fits = row is not None and [entry.shape[-1] for entry in entries] == self._widths
        return row if row is not None and fits else pack(record, self.layout)

    def _completed(self, record: Record, view: Any) -> Record:
        """Add the identity of what only another view's pipeline applies, in the layout's order."""
        if list(record) == list(self.layout):
            return record
        like = next(iter(record.values()), None)
        if like is None:  # of nothing recorded, only the view says how many images it is made of
            batch = view.shape[:-3] if isinstance(view, Tensor) else ()
            device = view.device if batch else None
            like = torch.empty(*batch, 1, device=device)
        # Made on the host: like.new_tensor() would wait until the numbers have reached the device.
        identities = {
            name: torch.tensor(field.identity, dtype=like.dtype, device="cpu")
            .to(like.device, non_blocking=True)
            .expand(*like.shape[:-1], -1)
            for name, field in self.layout.items()
            if name not in record
        }
        completed = {**record, **identities}
        return {name: completed[name] for name in self.layout}


def _fill(recorder: Any, row: Row, starts: Starts, *image: Any) -> Any:
    """Make a view by a recorder that writes rows, and write its record."""
    view, notes = recorder.noted(*image)
    recorder.write(notes, row, starts)
    return view


def _per_view(recorders: Recorder | Sequence[Recorder], views: int | None) -> list[Recorder]:
    """List a recorder per view.

    Raises:
        PipelineError: fewer than two, or not as many as ``views`` says.
    """
    if views is not None and (isinstance(views, bool) or not isinstance(views, int)):
        raise PipelineError(f"views expected an integer, found {views!r}.")
    if isinstance(recorders, Sequence):
        listed = list(recorders)
        if views is not None and views != len(listed):
            raise PipelineError(
                f"MultiViewRecorder expected one recorder per view, found {len(listed)} recorders "
                f"and views={views}. Leave views out, or pass a single recorder."
            )
    else:
        listed = [recorders] * (2 if views is None else views)
    if len(listed) < 2:
        found = len(listed) if views is None else views
        raise PipelineError(
            f"MultiViewRecorder expected at least two views to compare, found {found}. If your "
            "method uses one view (MAE, SimMIM), make two in a second pass, views=2. To record "
            "one view call the recorder itself."
        )
    return listed
