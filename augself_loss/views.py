"""Reads how views are handed over: two of them or a list, as vectors, maps or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from einops import reduce
from torch import Tensor

from augself_loss.checks import check_whole
from augself_loss.errors import FeatureError, LossError
from augself_loss.functional import both_orders
from augself_loss.parameters import Record, is_dense_float


@dataclass(frozen=True)
class Patches:
    """Mean over a ViT's patches: tokens ``(B, N, D)`` without the class and register tokens.

    How many tokens stand before the patches cannot be seen from their number: it is 1 for a ViT
    with a class token, 5 for one with four registers besides, 2 for DeiT's distilled ones, 0 where
    there is none. :func:`augself_loss.taps.find_taps` finds out.

    Args:
        prefix: how many tokens stand before the patches, >= 0.

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


Pool: TypeAlias = Literal["mean", "mean_channels_last", "cls"] | Patches
"""How feature maps and tokens become one vector: mean over places, wherever the channels are (of
tokens over all of them, the class and register tokens too); the first token; or the mean over the
patches alone."""
POOLS = (None, "mean", "mean_channels_last", "cls")
"""Those that go by a name."""

FORMS = (
    "AugSelfLoss expected (features1, features2, record1, record2), or a list of features and a "
    "list of records"
)
PLACES = ("features1", "features2", "record1", "record2")
"""Names of two views' features and records, in the order of the call."""
LISTS = {"features": "features1", "records": "features2"}
"""Names of the two lists → whose place in the call they take."""


def as_views(given: Sequence[Any], named: Mapping[str, Any]) -> tuple[list[Tensor], list[Record]]:
    """Read both call forms as a list of features and a list of records.

    Args:
        given: positional arguments: two views' features and records, or two lists.
        named: keyword arguments, by the names of :data:`PLACES` or :data:`LISTS`.

    Returns:
        One features tensor and one record per view.

    Raises:
        LossError: neither form, or not one record per view.
        TypeError: too many arguments, one that is unknown, or one that was given twice.
    """
    first, second, record1, record2 = _placed(given, named)
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        if record1 is None or record2 is None:
            raise LossError(
                f"{FORMS}, found no record of one view. Pass what the recorder returned for both."
            )
        return [first, second], [record1, record2]
    if not (_is_list(first) and _is_list(second)):
        raise LossError(f"{FORMS}, found {type(first).__name__} and {type(second).__name__}.")
    if record1 is not None or record2 is not None:
        raise LossError(f"{FORMS}, found two lists and one more record.")
    if len(first) != len(second):
        raise LossError(
            f"{FORMS}, one record per view, found {len(first)} features and {len(second)} records."
        )
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


def check_pool(pool: object) -> None:
    """Refuse what is no way of pooling.

    Raises:
        LossError: no name of one, and no :class:`Patches`.
    """
    named = pool is None or isinstance(pool, str)
    if not isinstance(pool, Patches) and not (named and pool in POOLS):
        raise LossError(
            f"pool expected one of {POOLS} or Patches(prefix=…), the mean over a ViT's patches "
            "without the tokens that stand before them (one class token: Patches(prefix=1)), "
            f"found {pool!r}."
        )


def all_pooled(features: Sequence[Tensor], feature_dim: int, pool: Pool | None) -> list[Tensor]:
    """Average or pick every view's features over places, see :func:`pooled`.

    Raises:
        FeatureError: the channels lie where ``pool`` does not look for them.
    """
    for number, one in enumerate(features, start=1):
        check_places(one, feature_dim, pool, f"features{number}")
    return [pooled(one, pool) for one in features]


def width_of(features: object, pool: Pool | None) -> int:
    """Say how many channels features have, where ``pool`` looks for them; 0 if they are none."""
    if not isinstance(features, Tensor) or features.ndim < 2:
        return 0
    last = pool == "mean_channels_last" or features.ndim == 3
    return features.shape[-1] if last else features.shape[1]


def pooled(features: Tensor, pool: Pool | None) -> Tensor:
    """Average or pick features over places; what cannot be pooled is returned as it is.

    Args:
        features: ``(B, D)``, maps ``(B, D, H, W)`` or ``(B, D, T, H, W)``, tokens ``(B, N, D)``;
            maps of one place, ``(B, D, 1, 1)``, need no pooling.
        pool: ``mean``, of tokens over all of them; ``mean_channels_last`` for maps ``(B, H, W, D)``
            as Swin's; ``cls`` or :class:`Patches` (tokens only); or ``None`` to leave all as they
            are.

    Returns:
        Features ``(B, D)``.
    """
    if not isinstance(features, Tensor) or not is_dense_float(features):
        return features
    if pool == "mean_channels_last":
        return reduce(features, "b ... d -> b d", "mean") if features.ndim > 2 else features
    if features.ndim > 3 and all(side == 1 for side in features.shape[2:]):
        return features.flatten(1)
    if features.ndim > 3 and pool == "mean":
        return reduce(features, "b d ... -> b d", "mean")
    if features.ndim == 3 and features.shape[1] > 0 and pool is not None:
        patches = features[:, pool.prefix :] if isinstance(pool, Patches) else features
        return features[:, 0] if pool == "cls" else reduce(patches, "b n d -> b d", "mean")
    return features


def with_detached(
    features: Sequence[Tensor], pairs: Sequence[tuple[int, int]], *, symmetric: bool
) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """Let the second views of the pairs stand for themselves without a gradient.

    Args:
        features: one per view.
        pairs: pairs (i, j) of views.
        symmetric: read every pair in both orders.

    Returns:
        Twice as many features, those without a gradient last, and the ordered pairs of them.
    """
    seconds = [(i, j + len(features)) for i, j in pairs]
    order = both_orders(seconds) if symmetric else seconds
    return [*features, *(one.detach() for one in features)], order


def check_places(features: Tensor, feature_dim: int, pool: Pool | None, where: str) -> None:
    """Refuse maps and tokens whose channels lie where ``pool`` does not look for them.

    Args:
        features: before pooling.
        feature_dim: width D.
        pool: how they are pooled.
        where: what to call them.

    Raises:
        FeatureError: the channels are elsewhere, or look as if they were.
    """
    if pool is None or not isinstance(features, Tensor):
        return
    if isinstance(pool, Patches):
        _check_patches(features, pool, where)
    if features.ndim < 3:
        return
    last = pool == "mean_channels_last" or features.ndim == 3
    shape = tuple(features.shape)
    expected = f"(B, ..., {feature_dim})" if last else f"(B, {feature_dim}, ...)"
    if width_of(features, pool) != feature_dim:
        raise FeatureError(
            f"{where} expected {expected} for pool={pool!r}, found {shape}. "
            + _elsewhere(shape, feature_dim)
        )
    if not last and _looks_channels_last(shape):
        raise FeatureError(
            f"{where} expected {expected} for pool={pool!r}, found {shape}, which looks as if the "
            f"channels came last. Then build the loss with feature_dim={shape[-1]} and "
            "pool='mean_channels_last'; if they do not, average over the places yourself."
        )


def _check_patches(features: Tensor, pool: Patches, where: str) -> None:
    """Refuse what has no patches behind its first tokens: vectors, maps, too few tokens."""
    if features.ndim == 3 and features.shape[1] > pool.prefix:
        return
    if features.ndim == 3:
        advice = "prefix counts the tokens before the patches; augself_loss.taps.find_taps says it."
    elif features.ndim < 3:
        advice = "These are pooled already: leave pool out, or tap the tokens ('….norm')."
    else:
        advice = "Maps have no class token: use pool='mean', or 'mean_channels_last'."
    raise FeatureError(
        f"{where} expected tokens (B, N > {pool.prefix}, D) for pool={pool}, found "
        f"{tuple(features.shape)}. {advice}"
    )


def _elsewhere(shape: tuple[int, ...], feature_dim: int) -> str:
    """Say what to do with features whose channels are not where they were expected."""
    if len(shape) == 3 and shape[1] == feature_dim:
        return "The channels are in the middle: pass features.mean(-1), without pool."
    if len(shape) > 3 and shape[1] == feature_dim:
        return "The channels come second: use pool='mean'."
    if len(shape) > 3 and (shape[-1] == feature_dim or _looks_channels_last(shape)):
        return f"The channels come last: use pool='mean_channels_last', feature_dim={shape[-1]}."
    return (
        "feature_dim is the number of channels of the backbone's output before the projector: "
        "look at which side of its features they are (pool='mean' for (B, D, H, W) and (B, N, D), "
        "'mean_channels_last' for (B, H, W, D))."
    )


def _looks_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether maps are square only if their channels come last: (B, 7, 7, 768), as Swin's."""
    if len(shape) not in (4, 5):
        return False
    one, other, last = shape[-3:]
    return one == other != last and last > shape[1]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
