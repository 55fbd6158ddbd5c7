"""Builds Kornia's augmentations from a config's dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kornia.augmentation
from torch import nn

from augself_loss.errors import PipelineError


def built(augmentation: Any, key: str, where: str) -> nn.Module:
    """Build one augmentation.

    Args:
        augmentation: a dict of its class's name in ``kornia.augmentation``, or its class, and its
            arguments, lists in tuples' place; or what is built already.
        key: under which the dict names the class.
        where: the place in the config, for messages.

    Raises:
        PipelineError: a name that Kornia does not have, or arguments that it does not take.

    Example:
        >>> type(built({"type": "RandomGamma", "gamma": [0.5, 1.5]}, "type", "transforms")).__name__
        'RandomGamma'
    """
    if isinstance(augmentation, nn.Module):
        return augmentation
    if not isinstance(augmentation, Mapping):
        raise PipelineError(
            f"{where} expected dicts with an augmentation's '{key}' and its arguments, found "
            f"{augmentation!r}."
        )
    options = {name: _tuples(value) for name, value in augmentation.items()}
    kind = options.pop(key, None)
    cls: Any = getattr(kornia.augmentation, kind, None) if isinstance(kind, str) else kind
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        found = repr(kind) if key == "name" else f"{key}={kind!r}"
        raise PipelineError(
            f"{where} expected the name of a class in kornia.augmentation, found {found}."
        )
    try:
        return cls(**options)
    except TypeError as error:
        raise PipelineError(
            f"{where} expected arguments that '{cls.__name__}' takes, found {options}: {error}."
        ) from error


def _tuples(value: Any) -> Any:
    """Make a config's lists tuples, as Kornia asks for."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(map(_tuples, value)) if listed else value
