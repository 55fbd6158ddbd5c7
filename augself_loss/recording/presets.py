"""Subclasses that only set the arguments of a library's class: they are read as that class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

HARMLESS = frozenset(
    {
        "__init__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__",
        "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__",
        "__dict__", "__weakref__", "__parameters__", "__orig_bases__", "__abstractmethods__",
        "_abc_impl", "__repr__", "extra_repr",
    }
)  # fmt: skip
"""What a subclass may have without running otherwise than its base."""


def acts_as(transform: Any, known: Callable[[type], bool]) -> Any:
    """Find the known class whose code a transform runs; ``None`` if its own class has some.

    Args:
        transform: any object.
        known: whether transforms of a class can be read.
    """
    cls: Any = type(transform)
    while not known(cls) and _only_sets(cls):
        cls = cls.__base__
    own = cls is not type(transform)
    return None if not known(cls) or (own and _is_patched(transform, cls)) else cls


def as_known(transform: Any, known: Callable[[type], bool]) -> Any:
    """Return an object of the known class whose arguments a transform's class only sets.

    Args:
        transform: any object.
        known: whether transforms of a class can be read.

    Returns:
        An object that shares the transform's attributes, so that a change of one is a change of
        both; or the transform itself, if its class is known or has code of its own.

    Example:
        >>> class Scale:
        ...     def __init__(self, by):
        ...         self.by = by
        ...     def __call__(self, x):
        ...         return self.by * x
        >>> class Half(Scale):
        ...     def __init__(self):
        ...         super().__init__(0.5)
        >>> half = Half()
        >>> read = as_known(half, lambda cls: cls is Scale)
        >>> half.by = 0.25
        >>> type(read).__name__, read(8)
        ('Scale', 2.0)
    """
    cls = acts_as(transform, known)
    if cls in (None, type(transform)):
        return transform
    made = object.__new__(cls)
    object.__setattr__(made, "__dict__", vars(transform))
    return made


def _only_sets(cls: Any) -> bool:
    """Whether a class adds nothing to its one base that the base's code could run into."""
    base = cls.__base__
    own = [name for name in vars(cls) if name not in HARMLESS and not _is_inherited(name, cls)]
    new = not any(name.startswith("__") or hasattr(base, name) for name in own)
    hides = any(inspect.isdatadescriptor(vars(cls)[name]) for name in own)  # a property
    return new and not hides and len(cls.__bases__) == 1


def _is_inherited(name: str, cls: Any) -> bool:
    """Whether a class holds what its base has, as torchvision's hold ``get_params``."""
    return hasattr(cls.__base__, name) and getattr(cls, name) is getattr(cls.__base__, name)


def _is_patched(transform: Any, cls: type) -> bool:
    """Whether an object's attributes hide methods of its class."""
    return any(callable(getattr(cls, name, None)) for name in vars(transform))
