"""What is wrong with the user's folders, said before time is spent."""

from __future__ import annotations

from pathlib import Path

from transfer.errors import TransferError

SHOWN = 8
"""How many of a folder's entries an error lists."""


class DataError(TransferError, ValueError):
    """Pictures are not where, or not as, they should be.

    Args:
        expected: what should be there.
        found: what is there.
        todo: what to do about it.
    """

    def __init__(self, expected: str, found: str, todo: str) -> None:
        super().__init__(f"Expected {expected}; found {found}. {todo}")


def contents(folder: Path) -> str:
    """What lies in ``folder``, in words."""
    if not folder.exists():
        return f"no {folder}"
    if not folder.is_dir():
        return f"a file, {folder}"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    if not names:
        return f"nothing in {folder}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"in {folder}: {', '.join(names[:SHOWN])}{more}"
