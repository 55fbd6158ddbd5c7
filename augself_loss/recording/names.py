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


def check_ignore(ignore: Any, *, by_name: bool = False) -> tuple[Any, ...]:
    """Return what a user wants ignored as a tuple.

    Args:
        ignore: what the user gave.
        by_name: whether classes are ignored by their names, as configs write them.

    Raises:
        PipelineError: no list, a name in it, or anything but names where they are expected.
    """
    alone = isinstance(ignore, (str, type, nn.Module)) or not isinstance(ignore, Iterable)
    listed = (ignore,) if alone else tuple(ignore)
    wrong = [item for item in listed if isinstance(item, str) is not by_name]
    if not wrong and not alone:
        return listed
    item = (wrong or listed)[0]
    name = item if isinstance(item, str) else name_of(item)
    if not wrong:
        found = f"{name!r} alone"
    else:
        found = f"{name!r} itself" if by_name else f"the name {name!r}"
    kind = "names of classes" if by_name else "transforms, functions or classes"
    written = repr(name) if by_name else name
    raise PipelineError(
        f"ignore expected a list of {kind}, found {found}. Write ignore=[{written}]."
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
