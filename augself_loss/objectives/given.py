"""What objectives are given by their users: features, records, λ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from augself_loss.arguments import check_weights, is_list
from augself_loss.errors import FeatureError, LossError, RecordError


def check_forms(name: str, features: Any, records: Any, *, reads: bool = True) -> None:
    """Refuse anything but a list of features and a list of records.

    Args:
        name: the objective's, for the message.
        features: the views'.
        records: theirs, dicts of tensors.
        reads: whether the objective reads them, and not a third view's features alone.

    Raises:
        FeatureError: no list of tensors.
        RecordError: no list of dicts.
    """
    form = "lists, ([features1, features2], [record1, record2])" if reads else "third= alone"
    lists = f"{name} expected {form}"
    if not is_list(features) or not all(isinstance(view, Tensor) for view in features):
        raise FeatureError(f"{lists}, found features as {_kind(features)}.")
    if not is_list(records):
        raise RecordError(f"{lists}, found records as {_kind(records)}.")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise RecordError(
                f"{name} expected record{number} as a dict of tensors, found "
                f"{type(record).__name__}. Take the records off a batch with "
                "split_views(batch, recorder.layout)."
            )


def check_lambdas(name: str, weights: Any, known: Iterable[str]) -> None:
    """Refuse λ of terms that an objective does not have, and such as are no weights.

    Raises:
        LossError: one of them.
    """
    terms = list(known)
    unknown = [t for t in weights if t not in terms] if isinstance(weights, Mapping) else []
    if unknown:
        raise LossError(
            f"The weights of {name} expected names out of {terms}, found '{unknown[0]}'. For "
            f"example set_weights({{'{terms[0]}': 0.5}})."
        )
    check_weights(weights, terms)


def by_lambdas(name: str, terms: Mapping[str, Tensor], known: Iterable[str]) -> dict[str, Tensor]:
    """Put terms in the order of their λ.

    Args:
        name: the objective's, for the message.
        terms: what it computed, by name.
        known: the names of its λ.

    Raises:
        LossError: other names.
    """
    names = list(known)
    if set(terms) != set(names):
        raise LossError(
            f"{name} expected terms() to return {names}, as its weights are called, found "
            f"{list(terms)}. Name all of them alike, in any order."
        )
    return {term: terms[term] for term in names}


def _kind(given: Any) -> str:
    if not is_list(given):
        return f"one {type(given).__name__}"
    return f"a list of {sorted({type(one).__name__ for one in given})}"
