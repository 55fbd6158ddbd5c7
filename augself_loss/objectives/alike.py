"""Neighbours of a batch that were augmented alike: what objectives that rely on it check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import FeatureError, RecordError
from augself_loss.parameters import Record

PAIR = "images 2k and 2k + 1"


class Alike:
    """Refuses views whose images were not augmented alike, group by group.

    Args:
        name: the objective's, for messages.
        group: images next to each other that are augmented alike.
        shared: record entries that a group has in common; ``None``: all with a row per image.
            Empty: it is the user's word.
    """

    def __init__(self, name: str, group: int, shared: Sequence[str] | None) -> None:
        self.name, self.group, self.shared = name, group, shared
        self._looked = False

    def views(
        self, features: Sequence[Tensor], records: Sequence[Record] = ()
    ) -> tuple[Tensor, Tensor]:
        """Take the two views' features.

        Args:
            features: ``(B, D)`` each.
            records: one per view; the first ones that are given are looked at, which waits for the
                device.

        Raises:
            FeatureError: another number of views, other shapes, or a batch that the group does not
                divide.
            RecordError: an entry that differs within a group, or no entry to tell by.
        """
        if len(features) != 2:
            raise FeatureError(f"{self.name} expected two views, found {len(features)}.")
        one, two = features
        if one.shape != two.shape or one.ndim != 2 or len(one) % self.group:
            divided = "even" if self.group == 2 else f"a multiple of {self.group}"
            raise FeatureError(
                f"{self.name} expected two tensors (B, D) with partners next to each other and B "
                f"{divided}, found {tuple(one.shape)} and {tuple(two.shape)}. Drop the last images "
                "of a batch that leaves some over."
            )
        if not self._looked and not torch.compiler.is_compiling():
            for record in records:
                self._look(record, len(one))
            self._looked = bool(records)
        return one, two

    def _look(self, record: Record, batch: int) -> None:
        wanted = record if self.shared is None else self.shared
        entries = {n: record[n] for n in wanted if n in record and _is_of(record[n], batch)}
        if not entries and (self.shared is None or self.shared):
            some = "" if self.shared is None else f", some of {list(self.shared)}"
            raise RecordError(
                f"{self.name} expected records of what partners share{some}, of {batch} images, "
                f"found {list(record)}. Name what they share by shared=; shared=() is your word "
                "that they do."
            )
        for entry, values in entries.items():
            first = values[0 :: self.group].repeat_interleave(self.group, dim=0)
            if not torch.equal(first, values):
                neighbours = f"every {self.group} images in a row"
                raise RecordError(
                    f"{self.name} expected {PAIR if self.group == 2 else neighbours} to share "
                    f"'{entry}', found different values. Make the views with "
                    f"augself_loss.recording.partners.{self._partners} and keep the order of the "
                    "batch, or name what they do share with shared=."
                )

    @property
    def _partners(self) -> str:
        """What to make the views with."""
        options = ["recorder"]
        options += ["own=[]"] if self.shared is None else []
        options += [f"group={self.group}"] if self.group != 2 else []
        return f"Partners({', '.join(options)})"


def _is_of(entry: Any, batch: int) -> bool:
    return isinstance(entry, Tensor) and entry.ndim > 0 and len(entry) == batch
