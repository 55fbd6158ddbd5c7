"""The method's equations as pure functions.

    L = L_base + Σ_a λ_a · L_a( φ_a([f(v1), f(v2)]), ω_diff_a )

Reference: Lee et al., *Improving Transferability of Representations via Augmentation-Aware
Self-Supervision*, NeurIPS 2021, equation 1 and section 3.2.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.errors import LossError
from augself_loss.parameters import Record, side_by_side

Pairs: TypeAlias = Literal["all", "first"] | Sequence[tuple[int, int]]
"""Which views are compared: all with all, the first with every other, or the pairs listed."""


def check_pairs(pairs: object) -> None:
    """Refuse, as :class:`LossError`, what is neither ``all``, ``first`` nor a list of pairs."""
    if isinstance(pairs, str):
        fits = pairs in ("all", "first")
    else:
        fits = isinstance(pairs, Sequence) and all(
            isinstance(pair, Sequence) and len(pair) == 2 and all(type(i) is int for i in pair)
            for pair in pairs
        )
    if not fits:
        raise LossError(f"pairs expected 'all', 'first' or a list of (i, j), found {pairs!r}.")


def ordered_pairs(
    views: int, pairs: Pairs = "all", *, symmetric: bool = True
) -> list[tuple[int, int]]:
    """List the ordered pairs of views that are compared.

    Args:
        views: number of views N.
        pairs: ``all`` (i < j), ``first`` (0 with every other), or a list of ``(i, j)``.
        symmetric: add ``(j, i)`` for every ``(i, j)``.

    Returns:
        Ordered pairs, those of ``pairs`` first.

    Raises:
        LossError: fewer than two views, no pair, or a pair that names no two different views.

    Example:
        >>> ordered_pairs(3, "first")
        [(0, 1), (0, 2), (1, 0), (2, 0)]
    """
    if views < 2:
        raise LossError(f"AugSelf expected at least 2 views to compare, found {views}.")
    check_pairs(pairs)
    if pairs == "all":
        chosen = [(i, j) for i in range(views) for j in range(i + 1, views)]
    elif isinstance(pairs, str):  # "first"
        chosen = [(0, j) for j in range(1, views)]
    else:
        chosen = [(i, j) for i, j in pairs]
    wrong = [p for p in chosen if not (0 <= p[0] < views and 0 <= p[1] < views) or p[0] == p[1]]
    if wrong or not chosen:
        raise LossError(
            f"pairs expected two different views from 0..{views - 1}, found {wrong or 'no pair'}."
        )
    return both_orders(chosen) if symmetric else chosen


def both_orders(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Add to pairs (i, j) of views the same the other way round, (j, i)."""
    return [*pairs, *[(j, i) for i, j in pairs]]


def pair_records(
    records: Sequence[Record], pairs: Sequence[tuple[int, int]], names: Collection[str]
) -> tuple[Record, Record]:
    """Stack several views' records along the batch, as the pairs (i, j) compare them.

    A record whose entries lie side by side in one tensor, as recorders make it, is passed on as
    that tensor; another is first written as one. So a device is given two kernels for all entries.

    Args:
        records: one record per view, entries ``(B, columns)``.
        pairs: ordered pairs of views.
        names: the entries to stack; one that only some views have was not applied to the others
            and is 0 there, one that none has is left out.

    Returns:
        Records of the first and of the second views, entries ``(pairs · B, columns)``, of one
        dtype, at least float32: differences of halves lose bits, and autocast cannot stack all.
    """
    rows, widths = _as_they_lie(records) or _written_as_one(records, names)
    if not rows:
        return {}, {}
    first, second = (
        torch.split(torch.cat([rows[pair[side]] for pair in pairs]), list(widths.values()), dim=-1)
        for side in (0, 1)
    )
    places = {name: place for place, name in enumerate(widths) if name in names}
    ordered = [name for name in names if name in places]
    return {n: first[places[n]] for n in ordered}, {n: second[places[n]] for n in ordered}


Rows: TypeAlias = tuple[list[Tensor], dict[str, int]]
"""Per view, its entries side by side, ``(B, P)``; and the entries' names and widths."""


def _as_they_lie(records: Sequence[Record]) -> Rows | None:
    """Find the tensors that all records are columns of, in float32; ``None`` where one is not."""
    rows: list[Tensor] = []
    widths: dict[str, int] = {}
    for record in records:
        row = side_by_side(list(record.values())) if record else None
        if row is None or row.dtype != torch.float32:
            return None
        found = {name: entry.shape[-1] for name, entry in record.items()}
        if rows and list(found.items()) != list(widths.items()):
            return None
        widths = found
        rows.append(row)
    return rows, widths


def _written_as_one(records: Sequence[Record], names: Collection[str]) -> Rows:
    """Write the named entries of every record side by side, those that it lacks as 0."""
    held = {n: r[n] for n in names for r in reversed(records) if n in r}
    if not held:
        return [], {}
    dtypes = dict.fromkeys(r[n].dtype for r in records for n in held if n in r)
    wide = functools.reduce(torch.promote_types, dtypes, torch.float32)
    rows = [
        torch.cat([r[n].to(wide) if n in r else held[n].new_zeros(held[n].shape, dtype=wide)
                   for n in held], dim=-1)
        for r in records
    ]  # fmt: skip
    return rows, {name: entry.shape[-1] for name, entry in held.items()}


def difference_targets(
    encoders: Mapping[str, Encoder], record_a: Record, record_b: Record
) -> dict[str, Tensor]:
    """Make ω_diff(a→b) of every type.

    Args:
        encoders: type name → encoder.
        record_a: record of the first view, entries ``(B, columns)``.
        record_b: record of the second view.

    Returns:
        Type name → target, ``(B, width)`` float or ``(B,)`` class indices.
    """
    return {name: e.difference(record_a, record_b) for name, e in encoders.items()}


def term_losses(
    encoders: Mapping[str, Encoder],
    predictions: Mapping[str, Tensor],
    record_a: Record,
    record_b: Record,
) -> dict[str, Tensor]:
    """Compute every term L_a(φ_a, ω_diff_a), unweighted, at least in float32.

    Args:
        encoders: type name → encoder.
        predictions: type name → the head's raw output ``(B, width)``.
        record_a: record of the first view, entries ``(B, columns)``.
        record_b: record of the second view.

    Returns:
        Type name → scalar.
    """
    targets = difference_targets(encoders, record_a, record_b)
    terms = {}
    for name, encoder in encoders.items():
        prediction, target = predictions[name], targets[name]
        prediction = prediction.to(torch.promote_types(prediction.dtype, torch.float32))
        if target.is_floating_point():
            target = target.to(prediction.dtype)
        terms[name] = encoder.loss(prediction, target, encoder.visible(record_a, record_b))
    return terms


def weighted_sum(terms: Mapping[str, Tensor], weights: Tensor, *, zeros: bool = True) -> Tensor:
    """Sum the terms, Σ_a λ_a · L_a; one of weight 0 adds nothing, also where it is not finite.

    Args:
        terms: type name → scalar.
        weights: λ, ``(number of terms,)``, in the terms' order.
        zeros: whether a weight may be 0; if not, nothing is spent on it.

    Returns:
        Scalar.
    """
    losses = torch.stack(list(terms.values()))
    weights = weights.to(losses.dtype)
    weighted = weights * losses
    return (torch.where(weights == 0, 0, weighted) if zeros else weighted).sum()
