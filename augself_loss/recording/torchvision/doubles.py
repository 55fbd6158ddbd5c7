"""Runs a callable's own code with doubles of what it calls, which it alone sees.

The code becomes a function whose globals hold the doubles, so that nothing is patched and no other
thread meets them. What the code may do is looked at before: read numbers of its object, draw them
at random, and call the two functions of PIL. So nothing that it does stays unseen.
"""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
import random
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import PIL
import torch
from PIL import ImageFilter, ImageOps
from torch import nn

Double: TypeAlias = Callable[[Any], Any]
"""``double(one of PIL's two, or what draws) → what stands in its place``."""

MODULES: Mapping[ModuleType, tuple[str, ...]] = {
    random: ("random", "uniform"),
    np: ("random",),
    np.random: ("rand", "random", "random_sample", "uniform"),
    torch: ("rand",),
    PIL: ("ImageFilter", "ImageOps"),
    ImageFilter: ("GaussianBlur",),
    ImageOps: ("solarize",),
}
"""What may be named of each module."""
BETWEEN = (random.uniform, np.random.uniform)
"""What draws between two numbers."""
DRAWING = (
    random.random, np.random.rand, np.random.random, np.random.random_sample, torch.rand, *BETWEEN,
)  # fmt: skip
"""What draws; all others from [0, 1)."""
OF_PIL = (ImageFilter.GaussianBlur, ImageOps.solarize)
BUILTINS = ("abs", "bool", "float", "int", "max", "min", "round")
METHODS = frozenset(name for names in MODULES.values() for name in names) | {"filter", "item"}
"""What may be named of a module, the image or a drawn tensor."""
ABSENT = object()


class UnknownCodeError(Exception):
    """The code does more than is known here."""


class _Named(NamedTuple):
    scope: tuple[str, ...]
    attributes: tuple[str, ...]


def check_code(transform: Any) -> None:
    """Look at what a callable's code may do.

    Args:
        transform: the callable, an object.

    Raises:
        UnknownCodeError: more than reading numbers of the object, drawing, and calling PIL's two.
    """
    function: Any = type(transform).__call__ if callable(transform) else None
    # A module's own __call__ runs its hooks too; without a __dict__ no change could be followed.
    if isinstance(transform, nn.Module) or not hasattr(transform, "__dict__"):
        raise UnknownCodeError("it is a module, or has no attributes")
    if not isinstance(function, FunctionType):
        raise UnknownCodeError("it has no __call__ in Python")
    for name in _named(function.__code__).attributes:
        own = inspect.getattr_static(transform, name, ABSENT)
        if not (name in METHODS if own is ABSENT else _is_plain(own)):
            raise UnknownCodeError(f"it uses .{name}")


class Doubled:
    """A function's own code, with doubles in its globals.

    Args:
        function: ``__call__`` of an object's class that :func:`check_code` knows.
        double: what stands in the place of what.

    Attributes:
        run: the function with doubles.

    Raises:
        UnknownCodeError: it names something else.
    """

    def __init__(self, function: Any, double: Double) -> None:
        scope = function.__globals__
        self._scope = scope
        self._found = [(name, scope.get(name, ABSENT)) for name in _named(function.__code__).scope]
        held = {name: _doubled(name, value, double) for name, value in self._found}
        held["__builtins__"] = _BUILTINS
        self.run: Callable[[Any, Any], Any] = FunctionType(
            function.__code__, held, function.__name__, function.__defaults__
        )
        self.run.__kwdefaults__ = function.__kwdefaults__

    def check(self) -> None:
        """Look whether the names still stand for what they did.

        Raises:
            UnknownCodeError: one was given another value since.
        """
        for name, value in self._found:
            if self._scope.get(name, ABSENT) is not value:
                raise UnknownCodeError(f"its global {name} changed")


_BUILTINS = {name: getattr(builtins, name) for name in BUILTINS}


def _doubled(name: str, value: Any, double: Double) -> Any:
    """Put the double in the place of what a global stands for, alone or in its module."""
    if value is ABSENT and name in BUILTINS:
        return _BUILTINS[name]
    if isinstance(value, ModuleType) and value in MODULES:
        held = {inner: getattr(value, inner) for inner in MODULES[value]}
        return SimpleNamespace(
            **{inner: _doubled(inner, one, double) for inner, one in held.items()}
        )
    if any(value is one for one in (*OF_PIL, *DRAWING)):
        return double(value)
    raise UnknownCodeError(f"it uses {name}")


@functools.cache
def _named(code: CodeType) -> _Named:
    """List the globals and the attributes that code reads, if it does nothing else with names.

    Raises:
        UnknownCodeError: it writes to objects, imports, is a generator, or holds other code.
    """
    nested = any(isinstance(constant, CodeType) for constant in code.co_consts)
    flags = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    if nested or code.co_freevars or code.co_cellvars or code.co_flags & flags:
        raise UnknownCodeError("it is no plain function")
    scope, attributes = set(), set()
    for step in dis.get_instructions(code):
        name = step.opname
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            scope.add(step.argval)
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.add(step.argval)
        elif step.opcode in dis.hasname or (
            name.startswith(("STORE_", "DELETE_")) and "_FAST" not in name
        ):
            raise UnknownCodeError(f"it does {name}")
    return _Named(tuple(scope), tuple(attributes))


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (int, float, str))
