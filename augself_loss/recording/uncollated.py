"""Tells samples that were never collated from a batch without records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from augself_loss.encoders import default_encoders

UNCOLLATED = (
    "samples that are not collated. Collate them with torch.utils.data.default_collate: as your "
    "loader's collate_fn, or as batched(n, collation_fn=default_collate) of a WebDataset."
)
"""What to say of them, after "found"."""


def is_uncollated(batch: Any) -> bool:
    """Whether there is a sample at any depth: images ``(C, H, W)`` beside their records.

    Args:
        batch: lists, tuples and mappings, nested as a loader makes them.
    """
    entries = list(entries_of(batch))
    return _is_sample(entries) or any(map(is_uncollated, entries))


def entries_of(batch: Any) -> Iterable[Any]:
    """List what a list, tuple or mapping holds; nothing of anything else."""
    if isinstance(batch, Mapping):
        return batch.values()
    return batch if isinstance(batch, (list, tuple)) else ()


def _is_sample(entries: list[Any]) -> bool:
    """Whether these are an image and its records, as a recorder returns them for one image."""
    image = any(isinstance(one, Tensor) and one.ndim == 3 for one in entries)
    return image and any(_is_packed(one) or _is_record(one) for one in entries)


def _is_packed(part: Any) -> bool:
    """Whether this is one image's packed records, ``(N, P)``."""
    return isinstance(part, Tensor) and part.dtype == torch.int32 and part.ndim == 2


def _is_record(part: Any) -> bool:
    """Whether this is one view's record, of entries ``(columns,)``."""
    if not isinstance(part, Mapping):
        return False
    known = {entry for encoder in default_encoders().values() for entry in encoder.fields}
    found = [part[entry] for entry in known & part.keys()]
    return bool(found) and all(isinstance(entry, Tensor) and entry.ndim == 1 for entry in found)
