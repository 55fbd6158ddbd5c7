"""Features of one depth of a network or of several, and which of them each type reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from augself_loss.arguments import check_whole
from augself_loss.checks import check_features
from augself_loss.errors import FeatureError, LossError
from augself_loss.first_layer import Columns
from augself_loss.places import check_places
from augself_loss.pooling import Pool, as_pool, places_of, pooled, width_of
from augself_loss.views import Features

FeatureDim: TypeAlias = int | Mapping[str, int | None] | None
"""Width D of the features; of several depths, name of the depth → its width."""
Reads: TypeAlias = Mapping[str, str | Sequence[str]]
"""Type name → the depth that its head reads, or several of them."""
Pools: TypeAlias = Pool | int | Mapping[str, Pool | int | None] | None
"""How features are pooled; of several depths, name of the depth → how its are."""

ONLY = ""
"""What the depth is called where there is but one, which has no name."""


class Depths:
    """Where in a network the features are from: how they are pooled, and who reads them.

    Args:
        feature_dim: width D; a dict names several depths. ``None`` is learned from features.
        pool: for all depths, or by name.
        reads: type name → the depths that its head reads, side by side. A type left out reads the
            last one named.
        types: names of all types.

    Raises:
        LossError: an unknown depth or type, a depth that no type reads, wrong widths or pools.
    """

    def __init__(
        self, feature_dim: FeatureDim, pool: Pools, reads: Reads | None, types: Collection[str]
    ) -> None:
        self.named = isinstance(feature_dim, Mapping)
        self.dims = _dims(feature_dim)
        self.pools = _pools(pool, self.dims, named=self.named)
        self.reads = self._of_types({} if reads is None else reads, types)

    @property
    def feature_dim(self) -> int | dict[str, int | None] | None:
        """Width D as it was given, or as it was learned since."""
        return dict(self.dims) if self.named else self.dims[ONLY]

    @property
    def pool(self) -> Pool | dict[str, Pool | None] | None:
        """How features are pooled."""
        return dict(self.pools) if self.named else self.pools[ONLY]

    def width(self, depth: str) -> int | None:
        """Say how wide a depth's vectors are, once pooled."""
        dim = self.dims[depth]
        return None if dim is None else dim * places_of(self.pools[depth])

    def head_widths(self) -> dict[str, int | None]:
        """Say by type how wide the vectors are that its head is given of one view."""
        return {name: self._sum(depths) for name, depths in self.reads.items()}

    def columns(self) -> dict[str, Columns]:
        """Say by type which columns it reads of all depths' vectors, side by side."""
        if len(self.dims) == 1:
            return {}
        spans, start = {}, 0
        for depth in self.dims:
            stop = start + (self.width(depth) or 0)
            spans[depth] = (start, stop)
            start = stop
        return {name: tuple(spans[d] for d in depths) for name, depths in self.reads.items()}

    def vectors(self, features: Sequence[Features]) -> tuple[list[Tensor], dict[str, int]]:
        """Bring features to vectors, all depths side by side, and refuse what does not fit.

        Args:
            features: one per view, a tensor or, of several depths, a dict of them.

        Returns:
            Per view ``(B, columns)``; and name of the depth → its width D, as it was found.

        Raises:
            FeatureError: a depth is missing; or features of the wrong rank, width, batch size,
                dtype or device.
        """
        dims: dict[str, int] = {}
        by_depth: list[list[Tensor]] = []
        for depth in self.dims:
            name = f"features{{}}[{depth!r}]" if self.named else "features{}"
            given = [self._at(view, depth, i) for i, view in enumerate(features, start=1)]
            vectors, dims[depth] = self._pooled(given, depth, name)
            if by_depth:
                _check_alike(by_depth[0][0], vectors[0], list(dims))
            by_depth.append(vectors)
        if len(by_depth) == 1:
            return by_depth[0], dims
        return [torch.cat(view, dim=1) for view in zip(*by_depth, strict=True)], dims

    def learn(self, dims: Mapping[str, int]) -> None:
        """Keep widths that were found in features."""
        self.dims.update(dims)

    def learn_from_head(self, name: str, width: int) -> None:
        """Keep what the width of a type's head says of its depth, where it reads one alone."""
        (depth, *more) = self.reads[name]
        if not more and self.dims[depth] is None:
            self.dims[depth] = width // places_of(self.pools[depth])

    def __repr__(self) -> str:
        """Show widths, pools and readers."""
        return f"Depths({self.dims}, pools={self.pools}, reads={self.reads})"

    def _sum(self, depths: Sequence[str]) -> int | None:
        widths = [self.width(depth) for depth in depths]
        return None if None in widths else sum(w for w in widths if w is not None)

    def _at(self, view: Any, depth: str, number: int) -> Any:
        """Take one depth's features of one view."""
        if not self.named:
            if isinstance(view, Mapping):
                raise FeatureError(
                    f"features{number} expected a tensor (B, D), found a dict with {list(view)}. "
                    "Call augself(features1, features2, record1, record2). For several depths "
                    "build the loss with feature_dim={'layer3': …, …}, with the same names."
                )
            return view
        if not isinstance(view, Mapping) or depth not in view:
            found = (
                f"a dict with {list(view)}" if isinstance(view, Mapping) else type(view).__name__
            )
            raise FeatureError(
                f"features{number} expected a dict from depth to features with {list(self.dims)}, "
                f"as in feature_dim, found {found}."
            )
        return view[depth]

    def _pooled(self, given: Sequence[Any], depth: str, name: str) -> tuple[list[Tensor], int]:
        pool, dim = self.pools[depth], self.dims[depth]
        if dim is None:
            dim = width_of(given[0], pool)
        for number, one in enumerate(given, start=1):
            check_places(one, dim, pool, name.format(number))
        vectors = [pooled(one, pool) for one in given]
        check_features(vectors, dim * places_of(pool), name)
        return vectors, dim

    def _of_types(self, reads: Reads, types: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Say by type which depths it reads, in the order in which they are named."""
        if not isinstance(reads, Mapping):
            raise LossError(
                "depths expected a dict from type to the depth that it reads, e.g. {'crop': "
                f"'layer3'}}, found {type(reads).__name__}."
            )
        found = {name: self._known(name, reads, types) for name in (*types, *reads)}
        unread = [depth for depth in self.dims if all(depth not in d for d in found.values())]
        if unread:
            raise LossError(
                f"depths expected a type that reads '{unread[0]}', found none. By default all "
                f"types read the last depth, '{list(self.dims)[-1]}'. Pass e.g. depths={{'crop': "
                f"'{unread[0]}'}}, or drop '{unread[0]}' from feature_dim."
            )
        return found

    def _known(self, name: str, reads: Reads, types: Collection[str]) -> tuple[str, ...]:
        if name not in types:
            raise LossError(f"depths expected types from {list(types)}, found '{name}'.")
        last = list(self.dims)[-1]
        given: Any = reads.get(name, last)
        wanted = (given,) if isinstance(given, str) else given
        listed = list(wanted) if isinstance(wanted, Sequence) else []
        if not listed or any(depth not in self.dims for depth in listed):
            names = (
                list(self.dims) if self.named else "the depths in feature_dim (which is one width)"
            )
            raise LossError(
                f"depths['{name}'] expected one or several of {names}, found {given!r}. Name the "
                "depths in feature_dim={'layer3': 1024, 'backbone': 2048}."
            )
        return tuple(depth for depth in self.dims if depth in listed)


def _dims(feature_dim: Any) -> dict[str, int | None]:
    if not isinstance(feature_dim, Mapping):
        return {ONLY: None if feature_dim is None else check_whole("feature_dim", feature_dim)}
    if not feature_dim or any(not isinstance(name, str) or not name for name in feature_dim):
        raise LossError(
            "feature_dim expected a width, or a dict from depth to width, e.g. {'layer3': 1024, "
            f"'backbone': 2048}}, found {dict(feature_dim)!r}."
        )
    return {
        name: None if dim is None else check_whole(f"feature_dim['{name}']", dim)
        for name, dim in feature_dim.items()
    }


def _pools(pool: Any, depths: Collection[str], *, named: bool) -> dict[str, Pool | None]:
    if not (named and isinstance(pool, Mapping)):
        return dict.fromkeys(depths, as_pool(pool))
    unknown = [name for name in pool if name not in depths]
    if unknown:
        raise LossError(f"pool expected depths from {list(depths)}, found {unknown}.")
    return {name: as_pool(pool.get(name)) for name in depths}


def _check_alike(one: Tensor, other: Tensor, depths: Sequence[str]) -> None:
    """Refuse depths of different batches or devices."""
    if len(one) != len(other) or one.device != other.device:
        raise FeatureError(
            f"The depths '{depths[0]}' and '{depths[-1]}' expected features of one batch on the "
            f"same device, found {tuple(one.shape)} on {one.device} and {tuple(other.shape)} on "
            f"{other.device}."
        )
