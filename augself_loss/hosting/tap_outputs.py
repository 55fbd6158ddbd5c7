"""Finds the features in what a submodule returns: a tensor, or the one tensor of a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def only_tensor(output: Any) -> Any:
    """Take the features out of what a submodule returns, where there is one tensor.

    Transformers' layers return ``(tokens,)`` in some versions, and their encoders an object with
    one entry.

    Args:
        output: what it returned.

    Returns:
        The tensor; or the output as it is, where it holds none or several.

    Example:
        >>> import torch
        >>> only_tensor((torch.ones(2, 3), None)).shape
        torch.Size([2, 3])
    """
    if isinstance(output, Tensor):
        return output
    found = [value for value in entries(output).values() if value is not None]
    return found[0] if len(found) == 1 and isinstance(found[0], Tensor) else output


def entries(output: Any) -> dict[Any, Any]:
    """List what a container holds by key or place; nothing of anything else."""
    if isinstance(output, Mapping):
        return dict(output)
    return dict(enumerate(output)) if isinstance(output, (list, tuple)) else {}


def described(output: Any) -> str:
    """Say what a submodule returned, for an error."""
    held = entries(output)
    name = type(output).__name__
    return f"{name} with {list(held)}" if held else name
