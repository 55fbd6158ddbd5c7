"""Compiles each operation once per process."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor


@functools.cache
def compiled(
    function: Callable[..., Any],
    use: object = None,  # noqa: ARG001 - a part of the cache's key
) -> Callable[..., Any]:
    """Compile a function.

    Args:
        function: it, at a module's level.
        use: what tells one use of it from another, such as another function that it is given.

    Returns:
        The compiled function; compilation happens at its first call.
    """
    assert isinstance(function, FunctionType)
    # A code object may hold so many graphs only: each use has a copy of its own.
    code = function.__code__.replace(co_name=f"{function.__name__}_{next(_numbers)}")
    return torch.compile(FunctionType(code, function.__globals__, code.co_name))


_numbers = itertools.count()


@functools.cache
def bound(function: Callable[..., Any], *values: Any) -> Callable[..., Any]:
    """Fix a function's last arguments; the same values give the same object."""
    return lambda *given: function(*given, *values)


def any_number(tensors: list[Tensor]) -> None:
    """Let a graph serve any number of rows from the first on."""
    for tensor in tensors:
        torch._dynamo.maybe_mark_dynamic(tensor, 0)
