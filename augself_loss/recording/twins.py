"""Twins: objects of another class that share a transform's attributes, and follow its changes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from augself_loss.errors import PipelineError

ORIGINAL = "_augself_original"
"""Slot in which a twin keeps the object whose attributes it shares."""


def twin(original: Any, cls: Any) -> Any:
    """Make an object of ``cls``, a subclass of the original's class, with the same attributes.

    The attributes are not copied: one dict serves both. What shall differ lies in slots of ``cls``.

    Args:
        original: it stays as it is.
        cls: subclass of its class with a slot of the name :data:`ORIGINAL`.
    """
    made = cls.__new__(cls)
    object.__setattr__(made, "__dict__", vars(original))
    object.__setattr__(made, ORIGINAL, original)
    return made


def holding(
    original: Any,
    attribute: str,
    held: Any,
    before: tuple[type, ...] = (),
    after: tuple[type, ...] = (),
) -> Any:
    """Make a twin of a container that differs in what one of its attributes holds.

    Args:
        original: container or wrapper; it stays as it is.
        attribute: name of the attribute.
        held: what the twin's holds.
        before: bases of the twin's class that come before the original's class.
        after: those that come after it.

    Raises:
        PipelineError: an object without a ``__dict__``.
    """
    return holding_each(original, {attribute: held}, before, after)


def holding_each(
    original: Any,
    held: Mapping[str, Any],
    before: tuple[type, ...] = (),
    after: tuple[type, ...] = (),
) -> Any:
    """Make a twin of an object that differs in what some of its attributes hold.

    Args:
        original: it stays as it is.
        held: attribute → what the twin's holds.
        before: bases of the twin's class that come before the original's class.
        after: those that come after it.

    Raises:
        PipelineError: an object without a ``__dict__``.
    """
    cls: Any = type(original)
    if getattr(cls, "__dictoffset__", 0) == 0:
        raise PipelineError(
            f"Expected '{cls.__name__}' to have a __dict__ for the recorder to share, found only "
            "__slots__. Leave __slots__ out, or register how to run and read it."
        )
    made = twin(original, _holder(cls, tuple(held), before, after))
    for attribute, value in held.items():
        object.__setattr__(made, attribute, value)
    return made


def refilled(original: Any, attribute: str, children: Sequence[Any]) -> Any:
    """Make a twin of a container that holds other children, in the form in which it held its own.

    Args:
        original: container or wrapper; it stays as it is.
        attribute: where it holds them: a list, tuple, mapping, or one child alone.
        children: as many as :func:`held_by` lists.
    """
    return holding(original, attribute, in_form_of(getattr(original, attribute), children))


def in_form_of(held: Any, children: Sequence[Any]) -> Any:
    """Put other children in the form in which a container held its own.

    Args:
        held: a list, tuple, mapping, or one child alone.
        children: as many as were in it.
    """
    if isinstance(held, (Mapping, nn.ModuleDict)):
        return dict(zip(held.keys(), children, strict=True))
    if isinstance(held, nn.ModuleList):  # the twin's children need be no modules
        return list(children)
    if isinstance(held, (list, tuple)):
        return type(held)(*children) if hasattr(held, "_fields") else type(held)(children)
    (child,) = children
    return child


class _Holder:
    """What all twins of containers share: how they pickle."""

    attributes: tuple[str, ...]
    around: tuple[tuple[type, ...], tuple[type, ...]]

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        held = {name: getattr(self, name) for name in type(self).attributes}
        return holding_each, (getattr(self, ORIGINAL), held, *type(self).around)


@functools.cache
def _holder(
    cls: Any, attributes: tuple[str, ...], before: tuple[type, ...], after: tuple[type, ...]
) -> Any:
    held = {
        "__slots__": (ORIGINAL, *attributes),  # a slot comes before the dict's entry of its name
        "attributes": attributes, "around": (before, after), "recorded": cls,
    }  # fmt: skip
    return type(cls.__name__, (_Holder, *before, cls, *after), held)


def held_by(container: Any, attribute: str) -> list[Any]:
    """List what a container's attribute holds: its children, or one child."""
    held = getattr(container, attribute)
    if isinstance(held, (Mapping, nn.ModuleDict)):
        return list(held.values())
    return list(held) if isinstance(held, (list, tuple, nn.ModuleList)) else [held]
