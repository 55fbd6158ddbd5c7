"""Tells types that no image of a batch was augmented in otherwise than another: a constant."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from augself_loss.parameters import Record

ENOUGH = 64
"""Of so many images some differ in what is drawn at random, unless it is drawn for very few."""


class ConstantTypeWarning(UserWarning):
    """A type is the same for all images of a batch: its head learns a constant."""


def warn_of_constants(types: Iterable[str], records: Sequence[Record], *, stacklevel: int) -> None:
    """Warn of types that each view has the same values of for all its images. Reads them: a sync.

    Args:
        types: whose heads learn.
        records: one per view, entries ``(B, columns)``. Small batches may be the same by chance,
            and are not looked at.
        stacklevel: of the user's call, for the warning.
    """
    for name in types:
        entries = [record[name] for record in records]
        if any(len(entry) < ENOUGH or entry.is_meta for entry in entries):
            continue
        if all(bool((entry == entry[0]).all()) for entry in entries):
            warnings.warn(
                f"The records expected '{name}' to differ between images, found it the same for "
                f"all {len(entries[0])} of each view: its head learns a constant. If its "
                "probability is 0 or 1, or its strength fixed, vary it, or leave it out of the "
                "weights.",
                ConstantTypeWarning,
                stacklevel=stacklevel + 1,
            )
