"""Refuses maps and tokens that the way of pooling does not fit, and says which would."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from augself_loss.errors import FeatureError
from augself_loss.pooling import Grid, Patches, Pool, channels_come_last, width_of


def check_places(features: Tensor, feature_dim: int, pool: Pool | None, where: str) -> None:
    """Refuse maps and tokens whose channels lie where ``pool`` does not look for them.

    Args:
        features: before pooling.
        feature_dim: width D.
        pool: how they are pooled.
        where: what to call them.

    Raises:
        FeatureError: the channels are elsewhere, or look as if they were; or there are fewer places
            than ``pool`` asks for.
    """
    if pool is None or not isinstance(features, Tensor):
        return
    if isinstance(pool, Patches):
        _check_patches(features, pool, where)
    shape = tuple(features.shape)
    if isinstance(pool, Grid) and features.ndim < 3:
        raise FeatureError(
            f"{where} expected maps or tokens for pool={pool}, found {shape}, which is pooled "
            "already. Tap the layer before the pooling, e.g. 'backbone.layer4', or leave pool out."
        )
    if features.ndim < 3:
        return
    last = channels_come_last(features, pool)
    expected = f"(B, ..., {feature_dim})" if last else f"(B, {feature_dim}, ...)"
    if width_of(features, pool) != feature_dim:
        raise FeatureError(
            f"{where} expected {expected} for pool={pool!r}, found {shape}. "
            + _elsewhere(shape, feature_dim)
        )
    if not last and _looks_channels_last(shape):
        way = "Grid(…, channels_last=True)" if isinstance(pool, Grid) else "'mean_channels_last'"
        raise FeatureError(
            f"{where} expected {expected} for pool={pool!r}, found {shape}: the channels seem to "
            f"come last. If so, build the loss with feature_dim={shape[-1]} and pool={way}. "
            "Otherwise average over the places yourself."
        )
    if isinstance(pool, Grid):
        _check_grid(features, pool, where)


def _check_patches(features: Tensor, pool: Patches, where: str) -> None:
    """Refuse what has no patches behind its first tokens: vectors, maps, too few tokens."""
    if features.ndim == 3 and features.shape[1] > pool.prefix:
        return
    if features.ndim == 3:
        advice = (
            "prefix is the number of tokens before the patches; augself_loss.taps.find_taps shows "
            "it."
        )
    elif features.ndim < 3:
        advice = (
            "These are pooled already: leave pool out, or tap the tokens, e.g. 'backbone.norm'."
        )
    else:
        advice = "Maps have no class token: use pool='mean', or 'mean_channels_last'."
    raise FeatureError(
        f"{where} expected tokens (B, N > {pool.prefix}, D) for pool={pool}, found "
        f"{tuple(features.shape)}. {advice}"
    )


def _check_grid(features: Tensor, grid: Grid, where: str) -> None:
    """Refuse maps and tokens that cannot be cut into the parts of a grid."""
    shape = tuple(features.shape)
    if features.ndim > 3 and grid.prefix:
        raise FeatureError(
            f"{where} expected tokens (B, N, D) for pool={grid}, found {shape}. Maps have no class "
            f"token: use pool={grid.side}."
        )
    if features.ndim == 3:
        patches = shape[1] - grid.prefix
        if patches < 1 or math.isqrt(patches) ** 2 != patches:
            raise FeatureError(
                f"{where} expected a square number of patches after {grid.prefix} other tokens "
                f"for pool={grid}, found {patches} of {shape}. Pass the number of other tokens, "
                f"e.g. Grid({grid.side}, prefix=1) (augself_loss.taps.find_taps shows it), or "
                "pass maps (B, D, H, W)."
            )
        sides: Sequence[int] = [math.isqrt(patches)]
    else:
        sides = shape[-3:-1] if grid.channels_last else shape[-2:]
    if min(sides) < grid.side:
        raise FeatureError(
            f"{where} expected at least {grid.side} × {grid.side} places for pool={grid}, found "
            f"{shape}. Use a smaller grid, larger views, or an earlier layer."
        )


def _elsewhere(shape: tuple[int, ...], feature_dim: int) -> str:
    """Say what to do with features whose channels are not where they were expected."""
    if len(shape) == 3 and shape[1] == feature_dim:
        return "The channels are in the middle: pass features.mean(-1), and leave pool out."
    if len(shape) > 3 and shape[1] == feature_dim:
        return "The channels come second: use pool='mean'."
    if len(shape) > 3 and (shape[-1] == feature_dim or _looks_channels_last(shape)):
        return f"The channels come last: use pool='mean_channels_last', feature_dim={shape[-1]}."
    return (
        "feature_dim is the number of channels of the backbone's output, before the projector. "
        "Use pool='mean' for (B, D, H, W) and (B, N, D), 'mean_channels_last' for (B, H, W, D)."
    )


def _looks_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether maps are square only if their channels come last: (B, 7, 7, 768), as Swin's."""
    if len(shape) not in (4, 5):
        return False
    one, other, last = shape[-3:]
    return one == other != last and last > shape[1]
