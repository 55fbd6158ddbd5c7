"""Reads how views are handed over: two of them, or a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from augself_loss.arguments import is_list
from augself_loss.deprecation import deprecated
from augself_loss.errors import LossError
from augself_loss.functional import both_orders
from augself_loss.parameters import Record

Features: TypeAlias = Tensor | Mapping[str, Tensor]
"""One view's features; of several depths, name of the depth → its features."""

FORMS = (
    "AugSelfLoss expected (features1, features2, record1, record2), or a list of features and a "
    "list of records"
)
PLACES = ("features1", "features2", "record1", "record2")
"""Names of two views' features and records, in the order of the call."""
LISTS = {"features": "features1", "records": "features2"}
"""Names of the two lists → whose place in the call they take; until 0.2 they had that name too."""


def as_views(given: Sequence[Any], named: Mapping[str, Any]) -> tuple[list[Features], list[Record]]:
    """Read both call forms as a list of features and a list of records.

    Args:
        given: positional arguments: two views' features and records, or two lists.
        named: keyword arguments, by the names of :data:`PLACES` or :data:`LISTS`.

    Returns:
        One view's features and its record, per view.

    Raises:
        LossError: neither form, or not one record per view.
        TypeError: too many arguments, one that is unknown, or one that was given twice.
    """
    first, second, record1, record2 = _placed(given, named)
    if isinstance(first, (Tensor, Mapping)) and isinstance(second, (Tensor, Mapping)):
        if record1 is None or record2 is None:
            raise LossError(
                f"{FORMS}, found a view without a record. Pass the records that the recorder "
                "returned for both views."
            )
        return [first, second], [record1, record2]
    if not (is_list(first) and is_list(second)):
        raise LossError(f"{FORMS}, found {type(first).__name__} and {type(second).__name__}.")
    if record1 is not None or record2 is not None:
        raise LossError(f"{FORMS}, found two lists and another record.")
    if len(first) != len(second):
        raise LossError(
            f"{FORMS}, one record per view, found {len(first)} features and {len(second)} records."
        )
    if "features1" in named or "features2" in named:
        deprecated("features1=[…], features2=[…]", "'features=[…], records=[…]'", since="0.2")
    return list(first), list(second)


def _placed(given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """Bring the arguments of a call into the order of :data:`PLACES`, ``None`` for those not given.

    Raises:
        TypeError: as Python raises it of arguments that do not fit.
    """
    if len(given) > len(PLACES):
        raise TypeError(f"{FORMS}, found {len(given)} arguments.")
    places = [*given, *[None] * (len(PLACES) - len(given))]
    taken = {place: place for place in PLACES[: len(given)]}
    for name, value in named.items():
        place = LISTS.get(name, name)
        if place not in PLACES or place in taken:
            found = "a second" if place in taken else "the unknown"
            raise TypeError(f"{FORMS}, found {found} argument '{name}'.")
        places[PLACES.index(place)] = value
        taken[place] = name
    if "features1" not in taken or "features2" not in taken:
        raise TypeError(f"{FORMS}, found the arguments {list(taken.values())}.")
    return places


def with_detached(
    features: Sequence[Tensor], order: Sequence[tuple[int, int]], *, symmetric: bool
) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """Let the second views of the pairs stand for themselves without a gradient.

    Args:
        features: one per view.
        order: ordered pairs (i, j) of views.
        symmetric: whether the second half of them is the first half the other way round.

    Returns:
        Twice as many features, those without a gradient last, and the same pairs of them.
    """
    pairs = order[: len(order) // 2] if symmetric else order
    seconds = [(i, j + len(features)) for i, j in pairs]
    both = [*features, *(one.detach() for one in features)]
    return both, both_orders(seconds) if symmetric else seconds


def tensors_in(features: Any) -> list[Tensor]:
    """List the tensors in a list of views' features, of all their depths."""
    listed = features if isinstance(features, (list, tuple)) else ()
    of_views = [list(one.values()) if isinstance(one, Mapping) else [one] for one in listed]
    return [one for view in of_views for one in view if isinstance(one, Tensor)]
