"""Turns a view's maps or tokens into one vector: a mean, the first token, or a grid of places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, cast

import torch
from einops import rearrange, reduce
from torch import Tensor
from torch.nn import functional

from augself_loss.arguments import check_whole
from augself_loss.errors import LossError
from augself_loss.parameters import is_dense_float


@dataclass(frozen=True)
class Patches:
    """Mean over a ViT's patches: tokens ``(B, N, D)`` without the class and register tokens.

    How many tokens precede the patches cannot be seen from their number: it is 1 for a ViT with a
    class token, 5 with four registers as well, 2 for DeiT's distilled ones, 0 without any.
    :func:`augself_loss.taps.find_taps` finds out.

    Args:
        prefix: how many tokens precede the patches, >= 0.

    Raises:
        LossError: no such number.

    Example:
        >>> from augself_loss import AugSelfLoss
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, pool=Patches(prefix=1))
        >>> augself.pool
        Patches(prefix=1)
    """

    prefix: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", check_whole("prefix", self.prefix, least=0))


@dataclass(frozen=True)
class Grid:
    """Means over ``side`` × ``side`` parts of a map, concatenated: ``(B, D · side²)``.

    A mean over all places forgets where something is; a grid keeps it roughly, so that a head can
    match content between two views. ``pool=2`` is short for ``Grid(2)``. Parts overlap by a place
    if ``side`` does not divide the map, as in adaptive pooling.

    Args:
        side: parts along each side, >= 2.
        prefix: for tokens ``(B, N, D)``, how many precede the patches, see :class:`Patches`.
        channels_last: for maps ``(B, H, W, D)``, as Swin's.

    Raises:
        LossError: no such numbers.

    Example:
        >>> from augself_loss import AugSelfLoss
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, pool=Grid(2))
        >>> augself.heads["flip"][0].in_features  # of two views, 8 channels at 4 places each
        64
    """

    side: int
    prefix: int = 0
    channels_last: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", check_whole("side", self.side, least=2))
        object.__setattr__(self, "prefix", check_whole("prefix", self.prefix, least=0))


Pool: TypeAlias = Literal["mean", "mean_channels_last", "cls"] | Patches | Grid
"""How feature maps and tokens become one vector: mean over places, wherever the channels are (of
tokens over all of them, the class and register tokens too); the first token; the mean over the
patches alone; or a grid of means."""
POOLS = (None, "mean", "mean_channels_last", "cls")
"""Those that go by a name."""


def as_pool(pool: object) -> Pool | None:
    """Read a way of pooling; a whole number is the side of a :class:`Grid`.

    Raises:
        LossError: it is none.
    """
    if type(pool) is int and pool > 1:
        return Grid(pool)
    if isinstance(pool, (Patches, Grid)):
        return pool
    if pool is None or (isinstance(pool, str) and pool in POOLS):
        return cast("Pool | None", pool)
    raise LossError(
        f"pool expected one of {POOLS}, Patches(prefix=1) for the mean of a ViT's patches without "
        "its class token, or 2, 3, … for a grid of 2 × 2, 3 × 3, … places (for tokens Grid(2, "
        f"prefix=1)), found {pool!r}."
    )


def places_of(pool: Pool | None) -> int:
    """Count the places that are left of each channel."""
    return pool.side**2 if isinstance(pool, Grid) else 1


def width_of(features: object, pool: Pool | None) -> int:
    """Say how many channels features have, where ``pool`` looks for them; 0 if they are none."""
    if not isinstance(features, Tensor) or features.ndim < 2:
        return 0
    return features.shape[-1] if channels_come_last(features, pool) else features.shape[1]


def pooled(features: Tensor, pool: Pool | None) -> Tensor:
    """Average or pick features over places; what cannot be pooled is returned as it is.

    Args:
        features: ``(B, D)``, maps ``(B, D, H, W)`` or ``(B, D, T, H, W)``, tokens ``(B, N, D)``;
            maps of one place, ``(B, D, 1, 1)``, need no pooling.
        pool: ``mean``, of tokens over all of them; ``mean_channels_last`` for maps ``(B, H, W, D)``
            as Swin's; ``cls`` or :class:`Patches` (tokens only); a :class:`Grid`, which averages a
            video over time; or ``None`` to leave all as they are.

    Returns:
        Features ``(B, D)``, of a grid ``(B, D · side²)``, the places of one channel side by side.
    """
    if not isinstance(features, Tensor) or not is_dense_float(features) or features.ndim < 3:
        return features
    if isinstance(pool, Grid):
        return _parts(_as_map(features, pool), pool.side)
    if pool == "mean_channels_last":
        return reduce(features, "b ... d -> b d", "mean")
    if features.ndim == 3:
        return _of_tokens(features, pool)
    if all(side == 1 for side in features.shape[2:]):
        return features.flatten(1)
    return reduce(features, "b d ... -> b d", "mean") if pool == "mean" else features


def channels_come_last(features: Tensor, pool: Pool | None) -> bool:
    """Whether the channels come last."""
    swapped = pool == "mean_channels_last" or (isinstance(pool, Grid) and pool.channels_last)
    return swapped or features.ndim == 3


def _of_tokens(features: Tensor, pool: Pool | None) -> Tensor:
    if pool is None or features.shape[1] == 0:
        return features
    patches = features[:, pool.prefix :] if isinstance(pool, Patches) else features
    return features[:, 0] if pool == "cls" else reduce(patches, "b n d -> b d", "mean")


def _as_map(features: Tensor, grid: Grid) -> Tensor:
    """Bring maps and tokens to ``(B, D, H, W)``; a video's are averaged over time."""
    if features.ndim == 3:
        side = math.isqrt(features.shape[1] - grid.prefix)
        return rearrange(features[:, grid.prefix :], "b (h w) d -> b d h w", h=side)
    if grid.channels_last:
        features = features.movedim(-1, 1)
    return features.mean(2) if features.ndim == 5 else features


def _parts(maps: Tensor, side: int) -> Tensor:
    """Average ``side`` × ``side`` parts of maps ``(B, D, H, W)``.

    The parts are those of adaptive pooling, whose backward on CUDA has no fixed order.
    """
    rows, columns = (_spans(length, side) for length in maps.shape[-2:])
    steps = _step(rows), _step(columns)
    if None not in steps:
        sizes = [spans[0].stop for spans in (rows, columns)]
        return functional.avg_pool2d(maps, sizes, steps).flatten(1)  # type: ignore[arg-type]
    parts = [maps[..., r, c].mean(dim=(-2, -1)) for r in rows for c in columns]
    return torch.stack(parts, dim=-1).flatten(1)


def _spans(length: int, count: int) -> list[slice]:
    """Cut a length into spans, which overlap by one where it does not divide."""
    return [slice(i * length // count, -((i + 1) * length // -count)) for i in range(count)]


def _step(spans: list[slice]) -> int | None:
    """Say how far spans of one size lie apart; ``None`` where sizes or distances differ."""
    sizes = {span.stop - span.start for span in spans}
    steps = {b.start - a.start for a, b in pairwise(spans)}
    return steps.pop() if len(sizes) == len(steps) == 1 else None
