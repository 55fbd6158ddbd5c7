"""Writing files so that whoever reads finds all of one or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO


def replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file at once; an interrupted write leaves the old one.

    Args:
        path: the file; its folder is made if it does not exist.
        write: called with the open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same file: each has a part of its own, the last one stays.
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
