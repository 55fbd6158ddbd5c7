"""What a user calls the parts of a pipeline: in messages, and where they name some of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import MethodType
from typing import Any

from torch import nn

from augself_loss.errors import PipelineError

ANONYMOUS = "<lambda>"
"""What Python calls a function that was given no name."""


def name_of(transform: Any) -> str:
    """Name a function, one that an object only calls, or any other object by its class.

    Example:
        >>> name_of(functools.partial(round, ndigits=2)), name_of({})
        ('round', 'dict')
    """
    function = function_in(transform)
    called = transform if function is None or name_of(function) == ANONYMOUS else function
    return str(getattr(called, "__name__", type(called).__name__))


def function_in(transform: Any) -> Any:
    """Find the function that a ``Lambda`` or ``functools.partial`` only calls; else ``None``.

    Args:
        transform: torchvision's or albumentations' ``Lambda``, or anything else.
    """
    function = None
    if isinstance(transform, functools.partial):
        function = transform.func
    elif type(transform).__name__ == "Lambda":
        held = getattr(transform, "__dict__", {})
        of_image = held.get("custom_apply_fns")
        one = of_image.get("image") if isinstance(of_image, Mapping) else None
        function = held.get("lambd", held.get("function", one))  # v1, v2, albumentations
    inner = None if function is None else function_in(function)
    return function if inner is None else inner


def check_ignore(ignore: Any) -> tuple[Any, ...]:
    """Return what a user wants ignored as a tuple.

    Raises:
        PipelineError: no list, or a name in it.
    """
    alone = isinstance(ignore, (str, type, nn.Module)) or not isinstance(ignore, Iterable)
    listed = (ignore,) if alone else tuple(ignore)
    named = [item for item in listed if isinstance(item, str)]
    if named:
        found = f"the name {named[0]!r}. Write the class itself, ignore=[{named[0]}]"
    elif alone:
        found = f"{name_of(ignore)!r} alone. Write ignore=[{name_of(ignore)}]"
    else:
        return listed
    raise PipelineError(
        f"ignore expected a list of transforms, functions or classes, found {found}."
    )


def is_listed(transform: Any, listed: tuple[Any, ...]) -> bool:
    """Whether a transform, its class, or the function that it only calls, was named by a user."""
    function = function_in(transform)
    return any(
        isinstance(transform, item)
        if isinstance(item, type)
        else transform is item or _is_same(function, item) or _is_same(transform, item)
        for item in listed
    )


def _is_same(function: Any, item: Any) -> bool:
    """Whether two are one function; a method is another object each time that it is looked up."""
    if function is None:
        return False
    return function is item or (isinstance(item, MethodType) and bool(function == item))
