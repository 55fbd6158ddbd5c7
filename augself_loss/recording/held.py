"""Finds what could be recorded inside an object whose own code runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn


def held_in(holder: Any, is_part: Callable[[Any], bool], called: str = "") -> list[str]:
    """List where an object holds parts, the outermost of them, in its own order.

    Args:
        holder: any object.
        is_part: whether something that it holds is one.
        called: what the object is called in the paths.

    Returns:
        Paths from the object, as Python writes them.

    Example:
        >>> model = nn.Module()
        >>> model.first, model.blocks = nn.ReLU(), nn.ModuleList([nn.Identity(), nn.ReLU()])
        >>> held_in(model, lambda part: isinstance(part, nn.ReLU))
        ['first', 'blocks[1]']
    """
    return list(_paths(holder, is_part, called, (holder,)))


def _paths(
    holder: Any, is_part: Callable[[Any], bool], prefix: str, outer: tuple[Any, ...]
) -> Iterator[str]:
    for path, value in _entries(holder, prefix):
        if any(value is one for one in outer):
            continue  # a module may hold itself, in a list
        if is_part(value):
            yield path
        elif isinstance(value, (nn.Module, list, tuple, Mapping)):
            yield from _paths(value, is_part, path, (*outer, value))


def _entries(holder: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, (nn.Sequential, nn.ModuleList, list, tuple)):
        yield from ((f"{prefix}[{number}]", value) for number, value in enumerate(holder))
    elif isinstance(holder, (nn.ModuleDict, Mapping)):
        yield from ((f"{prefix}[{key!r}]", value) for key, value in holder.items())
    else:
        dot = "." if prefix else ""
        held = {**getattr(holder, "__dict__", {})}
        if isinstance(holder, nn.Module):
            held = {**{n: v for n, v in held.items() if n[:1] != "_"}, **holder._modules}
        yield from ((f"{prefix}{dot}{name}", value) for name, value in held.items())
