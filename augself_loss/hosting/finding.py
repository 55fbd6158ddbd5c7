"""Finds the views in whatever batch a data loader gives, and brings records along with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import RecordError
from augself_loss.hosting.batches import RAN_OUT, Place
from augself_loss.parameters import Record
from augself_loss.recording.multiview import (
    UNCOLLATED,
    MultiViewRecorder,
    check_images,
    entries_of,
    is_packed,
    is_uncollated,
    split_views,
)

EXPECTED = (
    "AugSelf expected a batch with a list of views and their records, as a MultiViewRecorder "
    "returns it; or with one tensor of images (B, C, H, W) to augment on the device. Found "
)


def views_in(batch: Any) -> Any:
    """Find the views with their records in a batch, or else its only images.

    Args:
        batch: lists, tuples and mappings, nested as the loader makes them.

    Returns:
        A list of N views and, last, their packed records; a list of N pairs of a view and its
        record; or a tensor of images.

    Raises:
        RecordError: none of them, or more than one; or images alone beside a ``None``, which may
            be another loader's than is meant.
    """
    recorded = list(_recorded(batch))
    if not recorded and any(map(is_packed, _leaves(batch))):
        raise RecordError(_apart(batch))
    found = recorded or [t for t in _leaves(batch) if _is_images(t)]
    if found and not recorded and _lacks_a_part(batch):
        raise RecordError(f"{EXPECTED}images without records, and a None: {RAN_OUT}")
    if len(found) == 1:
        return found[0]
    if not found and is_uncollated(batch):
        raise RecordError(f"{EXPECTED}{UNCOLLATED}")
    if not isinstance(batch, (Tensor, list, tuple, Mapping)):
        raise RecordError(
            f"{EXPECTED}a {type(batch).__name__}, which is not looked into. Pass the list in it "
            "that ends with the records: augself.views(batch.views)."
        )
    if not found:
        what = "neither"
    elif isinstance(found[0], Tensor):
        what = f"{len(found)} tensors of images and no records"
    else:
        what = f"{len(found)} lists of views with records: pass only one of them"
    raise RecordError(
        f"{EXPECTED}{what}. Wrap the data set's transform: "
        "transform=MultiViewRecorder(TorchvisionRecorder(transform)). A collate function of your "
        "own has to keep the records."
    )


def as_recorded(
    found: Any, recorder: MultiViewRecorder, device: torch.device, *, check: bool
) -> tuple[list[Tensor], list[Record]]:
    """Bring what :func:`views_in` found to a device, as views and their records.

    Args:
        found: what was found.
        recorder: augments images, and knows the records' layout.
        device: where to.
        check: look whose records they are, also where that waits for the device.

    Returns:
        N views ``(B, …)`` and their records.

    Raises:
        RecordError: another recorder's records, or views that are samples.
    """
    if isinstance(found, Tensor):
        images = found.to(device, non_blocking=True)
        found = Place(None).augmented(images, recorder, torch.get_default_dtype())
    if is_packed(found[-1]):
        check_images(found[:-1])
        return split_views([_to(device, one) for one in found], recorder.layout, check=check)
    views, records = [view for view, _ in found], [record for _, record in found]
    for record in records:
        missing = [name for name in recorder.layout if name not in record]
        if missing:
            raise RecordError(
                f"AugSelf expected records of {list(recorder.layout)}, found one of "
                f"{list(record)}. Give AugSelf the recorder that the data set uses."
            )
    return [_to(device, view) for view in views], [moved(record, device) for record in records]


def moved(record: Record, device: torch.device) -> Record:
    """Bring a record to a device."""
    return {name: _to(device, entry) for name, entry in record.items()}


def _to(device: torch.device, tensor: Tensor) -> Tensor:
    return tensor.to(device, non_blocking=True)


def _recorded(batch: Any) -> Iterator[Any]:
    """List what ends with packed records, or is pairs of views and records, at any depth."""
    if not isinstance(batch, (list, tuple)):
        for entry in entries_of(batch):
            yield from _recorded(entry)
        return
    whole = len(batch) > 1 and is_packed(batch[-1])
    runs = list(_with_their_views(batch)) or ([list(batch)] if whole else list(_pairs(batch)))
    yield from runs
    for entry in () if runs else batch:
        yield from _recorded(entry)


def _with_their_views(batch: Sequence[Any]) -> Iterator[list[Any]]:
    """List packed records with the N views in front of them, whatever else stands beside them."""
    for number, entry in enumerate(batch):
        if is_packed(entry):
            views = batch[max(0, number - entry.shape[1]) : number]
            if len(views) == entry.shape[1] and all(map(_is_view, views)):
                yield [*views, entry]


def _pairs(batch: Sequence[Any]) -> Iterator[list[Any]]:
    """List runs of two and more pairs of a view and its record."""
    for is_pair, run in itertools.groupby(batch, _is_pair):
        together = list(run)
        if is_pair and len(together) > 1:
            yield together


def _apart(batch: Any) -> str:
    """Say how to bring records and views together that lie apart, as in a dict."""
    text = f"{EXPECTED}records, but not right after their views"
    if not isinstance(batch, Mapping):
        return f"{text}. Pass them together: augself.views([view1, view2, records])."
    images = [name for name, entry in batch.items() if _is_images(entry)]
    records = [name for name, entry in batch.items() if is_packed(entry)]
    named = ", ".join(f"batch[{name!r}]" for name in [*images, *records])
    return (
        f"{text}: images at {images}, records at {records}. Pass them together, the views in "
        f"their order: augself.views([{named}])."
    )


def _is_pair(entry: Any) -> bool:
    listed = isinstance(entry, (list, tuple)) and len(entry) == 2
    return listed and isinstance(entry[0], Tensor) and _is_record(entry[1])


def _is_record(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and len(entry) > 0
        and all(isinstance(value, Tensor) and value.ndim == 2 for value in entry.values())
    )


def _is_images(entry: Any) -> bool:
    tensor = isinstance(entry, Tensor) and entry.ndim == 4
    return tensor and (entry.is_floating_point() or entry.dtype == torch.uint8)


def _is_view(entry: Any) -> bool:
    return isinstance(entry, Tensor) and entry.ndim >= 3 and not is_packed(entry)


def _leaves(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    for entry in entries_of(batch):
        yield from _leaves(entry)


def _lacks_a_part(batch: Any) -> bool:
    return batch is None or any(map(_lacks_a_part, entries_of(batch)))
