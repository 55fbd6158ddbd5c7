"""Keeps functions out of compiled graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])


def eager(function: F, *, all_the_way: bool = True) -> F:
    """Run a function as it stands where ``torch.compile`` would trace it.

    Args:
        function: what hooks, or changes state that a graph does not see.
        all_the_way: whether what it calls runs so, too.
    """
    return cast("F", torch.compiler.disable(function, recursive=all_the_way))  # type: ignore[no-untyped-call]
