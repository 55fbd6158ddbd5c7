"""Records that stay rows of numbers until a DataLoader's collate makes the batch.

What a collate makes of the tensors of every image's record is a batch's, by copying them. Where a
``DataLoader`` makes batches, they need not be made before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from augself_loss.encoders.base import Recorded
from augself_loss.errors import PipelineError, RecordError
from augself_loss.recording.forms import Form
from augself_loss.recording.rows import Row


class WritesRows(Recorded, Protocol):
    """A recorder that makes views image by image, and writes rows."""

    @property
    def form(self) -> Form[Any] | None:
        """What its rows are shown as, if it writes any."""

    @property
    def fill(self) -> Callable[..., Any]:
        """Row and image → the views, their records written into the row."""


class LateRecord:
    """A record, or the packed records of several views, that a collate is to make of a row.

    Args:
        row: the numbers.
        form: what they are shown as.
    """

    __slots__ = ("form", "row")

    def __init__(self, row: Row, form: Form[Any]) -> None:
        self.row, self.form = row, form

    def settled(self) -> Any:
        """Make what the recorder itself returns for one image."""
        return self.form.shown(self.row)


def collate_late(batch: Sequence[LateRecord], **_: Any) -> Any:
    """Make a batch's record of the late ones of its images, as ``default_collate`` does.

    Args:
        batch: at least one.

    Returns:
        What ``default_collate`` makes of the recorder's own: a record with entries ``(B, columns)``
        float32, or packed records ``(B, N, P)`` int32.

    Raises:
        RecordError: they are of several layouts.
    """
    form = batch[0].form
    if not all(late.form is form or late.form.fits(form) for late in batch):
        raise RecordError(
            "Collating expected records with the same entries in the whole batch, found several "
            "kinds. Pass the same types to all pipelines' recorders: types=[...]."
        )
    # In one copy, and in one tensor: there is no other work for each image.
    numbers = bytearray().join(late.row for late in batch)
    if not numbers:
        return form.batch(torch.empty(len(batch), 0))
    return form.batch(torch.frombuffer(numbers, dtype=torch.float32).view(len(batch), -1))


default_collate_fn_map[LateRecord] = collate_late


class SettleAtCollate:
    """Stands in a recorder's place in a data set, and lets the collate make the records.

    The views and the batches are those of the recorder itself: ``default_collate``, which a
    ``DataLoader`` uses unless told otherwise, makes a batch's record in one piece. A collate
    function of your own gives the records to ``default_collate``, or
    :func:`collate_late`. The recorder itself goes to the loss and to AugSelf, as ever.

    Args:
        recorder: a ``TorchvisionRecorder``, an ``AlbumentationsRecorder``, a ``MultiViewRecorder``
            of such, a ``ViewsRecorder``, or a host's recorder of its views' pipelines.

    Attributes:
        layout: the recorder's.
        encoders: likewise.

    Raises:
        PipelineError: a recorder of batches, or one that does more than recording.

    Example:
        >>> from torch.utils.data import default_collate
        >>> from torchvision.transforms import v2
        >>> from augself_loss.recording.torchvision import TorchvisionRecorder
        >>> transform = SettleAtCollate(TorchvisionRecorder(v2.RandomHorizontalFlip(p=1.0)))
        >>> views, record = default_collate([transform(torch.rand(3, 8, 8)) for _ in range(2)])
        >>> record
        {'flip': tensor([[1.],
                [1.]])}
    """

    def __init__(self, recorder: WritesRows) -> None:
        form = getattr(recorder, "form", None)
        if form is None or not getattr(recorder, "writes_rows", True):
            raise PipelineError(
                "SettleAtCollate expected a recorder that makes views image by image (a "
                "TorchvisionRecorder, or a MultiViewRecorder of some), found "
                f"{type(recorder).__name__}. Use that recorder alone."
            )
        self.recorder, self._form = recorder, form
        self.layout, self.encoders = recorder.layout, recorder.encoders

    def __call__(self, *image: Any, **data: Any) -> Any:
        """Make the views of an image.

        Args:
            *image: what the recorder takes.
            **data: likewise.

        Returns:
            What the recorder returns, with a :class:`LateRecord` in the place of the record.
        """
        row = self._form.row()
        made = self.recorder.fill(row, *image, **data)
        return self._form.beside(made, LateRecord(row, self._form))
