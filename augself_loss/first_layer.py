"""The heads' first layer on concatenated pairs of features, without repeating its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.autocast import is_autocast

Columns: TypeAlias = tuple[tuple[int, int], ...]
"""Spans (start, stop) of a view's features: what one type's head is given."""


class FirstLayer:
    """Computes ``[y_i, y_j] Wᵀ`` for all ordered pairs (i, j).

    The product splits into ``y_i Lᵀ + y_j Rᵀ``, W = [L, R], so that with many views each half is
    computed once per view and added up per pair: N products instead of N² for all pairs of N views.
    With few views (two, both orders) concatenating costs no more and adds nothing up.

    Args:
        features: per view, ``(B, D)``.
        pairs: ordered pairs (i, j) of views.
    """

    def __init__(self, features: Sequence[Tensor], pairs: Sequence[tuple[int, int]]) -> None:
        self.lefts, self.rights = [i for i, _ in pairs], [j for _, j in pairs]
        left, right = list(dict.fromkeys(self.lefts)), list(dict.fromkeys(self.rights))
        self.split = len(left) + len(right) < 2 * len(pairs)
        if not self.split:
            left, right = self.lefts, self.rights
        self.place_left = {view: place for place, view in enumerate(left)}
        self.place_right = {view: place for place, view in enumerate(right)}
        self.left = torch.cat([features[i] for i in left])
        self.right = torch.cat([features[j] for j in right])
        self.both = None if self.split else torch.cat([self.left, self.right], dim=-1)

    def __call__(self, weight: Tensor) -> Tensor:
        """Multiply.

        Args:
            weight: W, ``(outputs, 2D)``.

        Returns:
            ``(pairs · B, outputs)``.
        """
        if self.both is not None:
            return functional.linear(fitted(self.both, weight.dtype), weight)
        left, right = weight.chunk(2, dim=-1)
        of = functional.linear(fitted(self.left, weight.dtype), left)
        to = functional.linear(fitted(self.right, weight.dtype), right)
        ofs, tos = self._paired(of, to)
        return ofs + tos

    def concatenated(self) -> Tensor:
        """Return ``[y_i, y_j]`` of all pairs, ``(pairs · B, 2D)``: what a head is called with."""
        if self.both is not None:
            return self.both
        return torch.cat(self._paired(self.left, self.right), dim=-1)

    def _paired(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Repeat what belongs to each view, stacked along the batch, pair by pair."""
        lefts, rights = left.chunk(len(self.place_left)), right.chunk(len(self.place_right))
        return (
            torch.cat([lefts[self.place_left[i]] for i in self.lefts]),
            torch.cat([rights[self.place_right[j]] for j in self.rights]),
        )


class FirstLayers:
    """Computes the first layers of several types, those that read the same columns on one product.

    Args:
        features: per view, ``(B, D)``.
        pairs: ordered pairs (i, j) of views.
        columns: type name → the columns that it reads; a type left out reads all.
    """

    def __init__(
        self,
        features: Sequence[Tensor],
        pairs: Sequence[tuple[int, int]],
        columns: Mapping[str, Columns],
    ) -> None:
        self._features, self._pairs, self._columns = features, pairs, columns
        self._made: dict[Columns | None, FirstLayer] = {}

    def of(self, name: str) -> FirstLayer:
        """Return a type's."""
        columns = self._columns.get(name)
        if columns not in self._made:
            features = [taken(view, columns) for view in self._features]
            self._made[columns] = FirstLayer(features, self._pairs)
        return self._made[columns]

    def in_order(self, names: Sequence[str]) -> list[str]:
        """Bring types that read the same columns next to each other."""
        read = [self._columns.get(name) for name in names]
        return sorted(names, key=lambda name: read.index(self._columns.get(name)))

    def side_by_side(self, names: Sequence[str], weights: Sequence[Tensor]) -> Tensor:
        """Multiply with several types' weights.

        Args:
            names: the types, see :meth:`in_order`.
            weights: W of each, ``(outputs, 2D)``.

        Returns:
            ``(pairs · B, outputs of all types)``.
        """
        given = zip(names, weights, strict=True)
        products = []
        for _, run in groupby(given, key=lambda pair: self._columns.get(pair[0])):
            listed = list(run)
            products.append(self.of(listed[0][0])(torch.cat([weight for _, weight in listed])))
        return products[0] if len(products) == 1 else torch.cat(products, dim=1)


def taken(features: Tensor, columns: Columns | None) -> Tensor:
    """Take columns of features ``(B, D)``; ``None`` takes all."""
    if columns is None:
        return features
    spans = [features[:, start:stop] for start, stop in columns]
    return spans[0] if len(spans) == 1 else torch.cat(spans, dim=1)


def fitted(features: Tensor, dtype: torch.dtype) -> Tensor:
    """Bring features to a dtype, unless autocast will choose it."""
    device = features.device.type
    if is_autocast(device) and features.dtype in (torch.float32, torch.get_autocast_dtype(device)):
        return features  # on other dtypes it fails: float64, and the CPU's other half precision
    return features.to(dtype)
