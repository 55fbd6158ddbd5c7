"""Text files that come with a set: which pictures are in a split, what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from transfer.data.errors import DataError


def listed(names: Sequence[str], lists: Mapping[str, Path]) -> dict[str, Tensor]:
    """Rows of each split whose pictures a text file lists, one a line.

    Args:
        names: path of every row inside the set's folder, with ``/``.
        lists: split → text file; a leading ``/`` in its lines is allowed.

    Raises:
        DataError: a list names a picture that is not there.
    """
    row_of = {name: row for row, name in enumerate(names)}
    rows = {}
    for split, file in lists.items():
        wanted = [line.strip().lstrip("/") for line in file.read_text().splitlines()]
        wanted = [name for name in wanted if name]
        missing = [name for name in wanted if name not in row_of]
        if missing or not wanted:
            raise DataError(
                f"the pictures that {file} lists",
                f"{len(missing)} of {len(wanted)} missing: {', '.join(missing[:3])}",
                "Unpack the pictures again.",
            )
        rows[split] = torch.tensor([row_of[name] for name in wanted])
    return rows


def table(file: Path, columns: int) -> dict[str, tuple[str, ...]]:
    """Read lines of ``key value …``: key → its ``columns`` values.

    Raises:
        DataError: the file is missing, or a line has another number of values.
    """
    if not file.is_file():
        raise DataError(f"{file}", "no such file", "Unpack the set again.")
    rows = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        key, *values = line.split() or [""]
        if key and len(values) != columns:
            raise DataError(
                f"a key and {columns} values in line {number} of {file}",
                repr(line),
                "Unpack the set again.",
            )
        if key:
            rows[key] = tuple(values)
    return rows
