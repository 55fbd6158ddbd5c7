"""Extends an object in place: its class becomes a subclass, which pickles as the class it was."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

Layer: TypeAlias = Callable[[Any], Mapping[str, Any]]
"""Takes a class, returns what its subclass shall have instead; a function of some module, since
pickles name it."""


def extend(target: object, layer: Layer) -> None:
    """Give one object other methods, and leave its class as it is.

    Copies and pickles of the object are extended too. A pickle names the object's own class and
    the layers, so that it loads wherever these can be imported.

    Args:
        target: any object whose class may be set.
        layer: what is laid over its class; several may lie one over another.

    Example:
        >>> class Host:
        ...     def loss(self):
        ...         return 1
        >>> def doubled(host):
        ...     return {"loss": lambda self: 2 * host.loss(self)}
        >>> extended, other = Host(), Host()
        >>> extend(extended, doubled)
        >>> extended.loss(), other.loss(), type(extended).__name__
        (2, 1, 'Host')
    """
    cls = type(target)
    # Its own attribute: a class that something else put over an extended one is a host of its own.
    host, layers = vars(cls).get("extended_by", (cls, ()))
    target.__class__ = _extended(host, (*layers, layer))


@functools.cache
def _extended(host: Any, layers: tuple[Layer, ...]) -> Any:
    """Build the subclass; two objects of one class that get the same layers share it."""
    cls = host
    for layer in layers:
        with _unannounced(cls):
            cls = type(host.__name__, (cls,), dict(layer(cls)))
        cls.__module__, cls.__qualname__ = host.__module__, host.__qualname__
        cls.__doc__ = host.__doc__
    cls.extended_by = host, layers
    cls.__reduce_ex__ = lambda self, _: (_restored, (host, layers), _state(self))
    return cls


@contextmanager
def _unannounced(cls: Any) -> Iterator[None]:
    """Let a class get a subclass without its ``__init_subclass__``.

    That may want arguments, or register what is no class of the user's.
    """
    hook = "__init_subclass__"
    if not any(hook in vars(base) for base in cls.__mro__[:-1]):
        yield
        return
    own = vars(cls).get(hook)
    setattr(cls, hook, classmethod(lambda _: None))
    try:
        yield
    finally:
        if own is None:
            delattr(cls, hook)
        else:
            setattr(cls, hook, own)


def _state(target: Any) -> Any:
    own = getattr(target, "__getstate__", None)  # every object has one since Python 3.11
    return dict(vars(target)) if own is None else own()


def _restored(host: Any, layers: tuple[Layer, ...]) -> Any:
    cls = _extended(host, layers)
    return cls.__new__(cls)
