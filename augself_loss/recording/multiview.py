"""Several views of one image, with their records in a tensor that passes as one view more.

Hosts hand a list of views from the Dataset to the training step, through collates that know
tensors only. So a :class:`MultiViewRecorder` returns the views and, last, one tensor with all their
records; :func:`split_views` takes it off again. It holds the records' float32 bits as int32, so
that a host which casts floating-point batches (to bf16, say) leaves the record as it was recorded,
and as its last column a mark of their layout, so that another recorder's are told from them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.encoders import Encoder, default_encoders
from augself_loss.encoders.base import Recorded
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import (
    Field,
    Layout,
    Record,
    check_layout,
    pack,
    side_by_side,
    unpack,
    widths_of,
)

RECORD_DTYPE = torch.int32
"""Same width as the records' float32, and never cast by mixed or true half precision."""


class Recorder(Recorded, Protocol):
    """What every recorder offers."""

    def __call__(self, image: Any, /) -> tuple[Any, Record]:
        """Make one view and its record."""


class MultiViewRecorder:
    """Makes several views of an image, or of a batch, and one more tensor with their records.

    Args:
        recorders: one recorder per view, or one for all; the same object may make several views.
        views: number of views where ``recorders`` is a single one; by default 2.

    Attributes:
        layout: entries that every view's record holds: those of all pipelines together.
        encoders: encoders of the recorded types, their ranges united over the pipelines.

    Raises:
        PipelineError: fewer than two views, a number of views beside a list of another length, or
            nothing that is recorded.

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
                    f"MultiViewRecorder expected recorders, found {type(recorder).__name__}. Give "
                    "the pipeline to a KorniaRecorder or TorchvisionRecorder first."
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
        self._mark, self._widths = mark_of(self.layout), widths_of(self.layout)

    def __call__(self, image: Any, *more: Any) -> list[Any]:
        """Make all views.

        Args:
            image: what the recorders take: an image, a batch, or a sample with masks and boxes.
            *more: what else of a sample they take, beside the image.

        Returns:
            ``[view 1, …, view N, packed]`` with ``packed`` ``(N, P)`` int32, ``(B, N, P)`` for a
            batch, to be read by :func:`split_views`; P is the layout's columns and the mark.
        """
        made = [self.view(number, image, *more) for number in range(len(self.recorders))]
        return [*(view for view, _ in made), self.packed([record for _, record in made])]

    def view(self, number: int, image: Any, *more: Any) -> tuple[Any, Record]:
        """Make one of the views, for hosts that ask for them one by one.

        Args:
            number: which of the recorders makes it.
            image: what that recorder takes.
            *more: what else of a sample it takes.

        Returns:
            The view and its record, with the identity of what only another view's pipeline applies.
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
            ``(P,)`` int32, ``(B, P)`` for a batch, to be read by :func:`from_bits`.
        """
        return to_bits(self._row(record), self._mark)

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


def _per_view(recorders: Recorder | Sequence[Recorder], views: int | None) -> list[Recorder]:
    """List a recorder per view.

    Raises:
        PipelineError: fewer than two, or not as many as ``views`` says.
    """
    if views is not None and (isinstance(views, bool) or not isinstance(views, int)):
        raise PipelineError(f"views expected a whole number, found {views!r}.")
    if isinstance(recorders, Sequence):
        listed = list(recorders)
        if views is not None and views != len(listed):
            raise PipelineError(
                f"MultiViewRecorder expected one recorder per view, found {len(listed)} recorders "
                f"and views={views}. Leave views= out beside a list, or pass a single recorder."
            )
    else:
        listed = [recorders] * (2 if views is None else views)
    if len(listed) < 2:
        found = len(listed) if views is None else views
        raise PipelineError(
            f"MultiViewRecorder expected at least two views to compare, found {found}. A method of "
            "one view (MAE, SimMIM) has no pair: make two in a second pass, views=2. To record one "
            "view call the recorder itself."
        )
    return listed


def mark_of(layout: Layout) -> int:
    """Sum up in 31 bits what the records of a layout hold, and between which values.

    Args:
        layout: a recorder's.
    """
    fields = [(name, *map(tuple, field)) for name, field in layout.items()]
    return zlib.crc32(repr(fields).encode()) >> 1


def to_bits(packed: Tensor, mark: int) -> Tensor:
    """Write packed records in the form in which they travel with views.

    Args:
        packed: ``(..., columns)`` as :func:`~augself_loss.parameters.pack` makes it.
        mark: their layout's, see :func:`mark_of`.

    Returns:
        ``(..., P)`` int32: the float32 bits of the columns and, last, the mark.
    """
    return functional.pad(packed.float().view(RECORD_DTYPE), (0, 1), value=mark)


def from_bits(bits: Tensor, layout: Layout, *, check: bool = False) -> Record:
    """Read records from the form in which they travel with views.

    Args:
        bits: ``(..., P)`` int32 as :func:`to_bits` makes it.
        layout: that of their recorder.
        check: compare the mark also where it lies on an accelerator, which is then waited for.

    Returns:
        Record, entries ``(..., columns)`` float32.

    Raises:
        RecordError: another recorder made them.
    """
    width = sum(widths_of(layout))
    if bits.shape[-1] != width + 1:
        raise RecordError(
            f"Expected records with {width} columns for {list(layout)} and their mark, found "
            f"{tuple(bits.shape)}: they were made by another recorder than the loss was given."
        )
    return unpack(_columns(bits, layout, check=check), layout)


def split_views(
    views: Sequence[Tensor], layout: Layout, *, check: bool = False
) -> tuple[list[Tensor], list[Record]]:
    """Take the records off the end of a collated list of views.

    Args:
        views: N views ``(B, …)`` and, last, the packed records ``(B, N, P)`` int32.
        layout: the :class:`MultiViewRecorder`'s.
        check: look whether this recorder made the records, also where they lie on an accelerator.
            On the CPU it is always looked at; elsewhere it waits for the device, so do it once.

    Returns:
        The N views, and one record per view, entries ``(B, columns)`` float32, which are views of
        one tensor.

    Raises:
        RecordError: no records at the end, those of another recorder, or views that are samples.
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
    check_images(rest)
    widths = widths_of(layout)
    if packed.shape[1:] != (len(rest), sum(widths) + 1):
        raise RecordError(
            f"Expected records of {len(rest)} views with {sum(widths)} columns for {list(layout)} "
            f"and their mark, found {tuple(packed.shape)}: they were made by another recorder than "
            "the loss was given."
        )
    rows = _columns(packed, layout, check=check).unbind(1)
    return rest, [dict(zip(layout, torch.split(row, widths, dim=-1), strict=True)) for row in rows]


def check_images(views: Sequence[Any]) -> None:
    """Refuse views that are samples: images beside their masks, boxes or labels.

    Raises:
        RecordError: a view is no tensor.
    """
    others = [type(view).__name__ for view in views if not isinstance(view, Tensor)]
    if others:
        raise RecordError(
            f"Expected views that are tensors of images, found {others}: samples, with masks or "
            "labels. Take the images out where the data set calls the recorder: (image1, mask1), "
            "(image2, mask2), packed = recorder(image, mask); return [image1, image2, packed], ..."
        )


def _columns(bits: Tensor, layout: Layout, *, check: bool) -> Tensor:
    """Take the mark off and read the columns as float32 again.

    Raises:
        RecordError: another recorder's mark.
    """
    looked = (check or bits.is_cpu) and not (bits.is_meta or torch.compiler.is_compiling())
    if looked and bool((bits[..., -1] != mark_of(layout)).any()):
        raise RecordError(
            f"Expected records marked as those of {list(layout)} in this recorder's ranges, found "
            "another mark: they were made by another recorder than the loss was given, of other "
            "entries or ranges. Use one recorder for the data and the loss."
        )
    return bits[..., :-1].view(torch.float32)


def is_packed(tensor: Any) -> bool:
    """Whether this is a batch's packed records rather than a view."""
    return isinstance(tensor, Tensor) and tensor.dtype == RECORD_DTYPE and tensor.ndim == 3
