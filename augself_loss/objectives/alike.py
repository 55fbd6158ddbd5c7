"""Neighbours of a batch that were augmented alike: what objectives that rely on it check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import FeatureError, RecordError
from augself_loss.parameters import Record


def check_two_views(name: str, features: Sequence[Tensor], group: int) -> tuple[Tensor, Tensor]:
    """Refuse anything but two views of whole groups.

    Args:
        name: the objective's, for the message.
        features: ``(B, D)`` each.
        group: images next to each other that are augmented alike.

    Returns:
        The two views' features.

    Raises:
        FeatureError: another number of views, other shapes, or a batch that the group does not
            divide.
    """
    if len(features) != 2:
        raise FeatureError(f"{name} expected two views, found {len(features)}.")
    one, two = features
    if one.shape != two.shape or one.ndim != 2 or len(one) % group:
        raise FeatureError(
            f"{name} expected two tensors (B, D) with partners next to each other and B "
            f"{_divided(group)}, found {tuple(one.shape)} and {tuple(two.shape)}. Drop the last "
            "images of a batch that leaves some over."
        )
    return one, two


def check_alike(
    name: str, records: Sequence[Record], shared: Sequence[str] | None, group: int, batch: int
) -> None:
    """Refuse records that differ within a group. This waits for the device.

    Args:
        name: the objective's, for the messages.
        records: one per view; without any there is nothing to check.
        shared: entries that a group has in common; ``None``: all with a row per image. Empty:
            nothing is checked.
        group: as in :func:`check_two_views`.
        batch: B.

    Raises:
        RecordError: an entry that differs, or no entry to tell by.
    """
    for record in records:
        wanted = record if shared is None else shared
        entries = {n: record[n] for n in wanted if n in record and _is_of(record[n], batch)}
        if not entries and (shared is None or shared):
            some = "" if shared is None else f", some of {list(shared)}"
            raise RecordError(
                f"{name} expected records of what partners share{some}, of {batch} images, found "
                f"{list(record)}. Name what they share by shared=; shared=() is your word that "
                "they do."
            )
        for entry, values in entries.items():
            first = values[0::group].repeat_interleave(group, dim=0)
            if not torch.equal(first, values):
                raise RecordError(
                    f"{name} expected {_neighbours(group)} to share '{entry}', found different "
                    "values. Make the views with augself_loss.recording.partners."
                    f"{_partners(group, shared)} and keep the order of the batch, or name what "
                    "they do share with shared=."
                )


def _divided(group: int) -> str:
    return "even" if group == 2 else f"a multiple of {group}"


def _neighbours(group: int) -> str:
    return "images 2k and 2k + 1" if group == 2 else f"every {group} images in a row"


def _partners(group: int, shared: Sequence[str] | None) -> str:
    options = ["recorder"]
    options += ["own=[]"] if shared is None else []
    options += [f"group={group}"] if group != 2 else []
    return f"Partners({', '.join(options)})"


def _is_of(entry: Any, batch: int) -> bool:
    return isinstance(entry, Tensor) and entry.ndim > 0 and len(entry) == batch
