"""Refuses arguments that are none of those expected: weights, whole numbers, choices, types."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

import torch
from torch import nn

from augself_loss.errors import LossError


def check_weights(weights: Mapping[str, float], known: Iterable[str]) -> None:
    """Refuse no type at all, unknown types, and weights that are negative, infinite or NaN."""
    if not isinstance(weights, Mapping):
        raise LossError(
            "weights expected a dict from type name to λ, e.g. {'crop': 1.0}, found "
            f"{type(weights).__name__}."
        )
    if not weights:
        raise LossError("weights expected at least one type, e.g. {'crop': 1.0}, found none.")
    for name, weight in weights.items():
        if name not in known:
            cure = "For your own augmentation pass its encoder: encoders=[MyEncoder(...)]."
            of = [t for t in known if isinstance(known, Mapping) and name in known[t].extras]
            if of:
                cure = f"This entry replays '{of[0]}' and is not predicted: leave it out."
            raise LossError(f"weights expected types from {sorted(known)}, found '{name}'. {cure}")
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and 0 <= weight <= torch.finfo(torch.float32).max):
            raise LossError(
                f"The weight of '{name}' expected a finite number >= 0, found {weight!r}. To "
                "start a schedule at zero, pass 0."
            )


def check_whole(name: str, size: Any, *, least: int = 1) -> int:
    """Return an argument as an int; refuse what is not a whole number of at least ``least``."""
    # NumPy before 2.3 counts its True as the index 1; PyTorch does, too.
    boolean = isinstance(size, bool) or str(getattr(size, "dtype", "")) in ("bool", "torch.bool")
    try:
        whole = -1 if boolean or getattr(size, "ndim", 0) > 0 else operator.index(size)
    except (TypeError, RuntimeError):  # no integer; or a tensor without a value
        whole = -1
    if whole < least:
        raise LossError(f"{name} expected an integer >= {least}, found {size!r}.")
    return whole


def check_numbers(name: str, values: Any, *, above: float = -math.inf) -> list[float]:
    """Return an argument's numbers as floats; refuse what is not finite, or not above a limit.

    Raises:
        LossError: something else among them.
    """
    try:
        numbers = [math.nan if isinstance(value, (bool, str)) else float(value) for value in values]
    except (TypeError, ValueError, RuntimeError):  # no number, or a tensor of several
        numbers = [math.nan]
    if not all(math.isfinite(number) and number > above for number in numbers):
        limit = "" if above == -math.inf else f" > {above:g}"
        raise LossError(f"{name} expected finite numbers{limit}, found {values!r}.")
    return numbers


def check_choice(name: str, value: object, choices: tuple[str | None, ...]) -> None:
    """Refuse an argument that is none of its choices."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise LossError(f"{name} expected one of {choices}, found {value!r}.")


def unfit_names(names: Iterable[Any], kind: type[nn.ModuleDict]) -> list[Any]:
    """List the names that cannot name a module in a dict of modules of this kind."""
    used = {*dir(kind), *vars(nn.ModuleDict())}
    return [n for n in names if not isinstance(n, str) or not n or "." in n or n in used]


def check_types(types: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse no type at all, one string, and types that the loss was not built with."""
    wanted = () if isinstance(types, str) or not isinstance(types, Iterable) else tuple(types)
    if not wanted or any(name not in known for name in wanted):
        raise LossError(f"types expected a list of names from {known}, found {types!r}.")
    return wanted


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is a list, tuple or other sequence, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
