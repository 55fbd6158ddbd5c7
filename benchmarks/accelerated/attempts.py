"""Tries things one by one: what fails is told by name and stops nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from accelerated.target import Skipped

T = TypeVar("T")
Row = dict[str, Any]
LONGEST = 300
"""Characters of an error's message that a table has room for; JSON has its traceback."""


def attempt(action: Callable[[], T]) -> tuple[T | None, Row]:
    """Do something that may fail.

    Args:
        action: what is tried.

    Returns:
        What it returns, and no columns; or ``None``, and ``status`` with the reason.
    """
    try:
        return action(), {}
    except Skipped as skipped:
        return None, {"status": f"skipped: {skipped}"}
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return None, {"status": f"failed: {said[:LONGEST]}", "traceback": traceback.format_exc()}
