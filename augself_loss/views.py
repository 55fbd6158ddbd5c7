"""Reads how views are handed over: two of them or a list, as vectors, maps or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from einops import reduce
from torch import Tensor

from augself_loss.errors import LossError
from augself_loss.parameters import Record, is_dense_float

Pool: TypeAlias = Literal["mean", "cls"]
"""How feature maps and tokens become one vector: mean over places, or the first token."""

FORMS = (
    "AugSelfLoss expected (features1, features2, record1, record2), or a list of features and a "
    "list of records"
)


def as_views(
    features1: Tensor | Sequence[Tensor],
    features2: Tensor | Sequence[Record],
    record1: Record | None,
    record2: Record | None,
) -> tuple[list[Tensor], list[Record]]:
    """Read both call forms as a list of features and a list of records.

    Args:
        features1: features of view 1; or the list of all views' features.
        features2: features of view 2; or the list of all views' records.
        record1: record of view 1, in the first form.
        record2: record of view 2, in the first form.

    Returns:
        One features tensor and one record per view.

    Raises:
        LossError: neither form, or not one record per view.
    """
    if isinstance(features1, Tensor) and isinstance(features2, Tensor):
        if record1 is None or record2 is None:
            raise LossError(
                f"{FORMS}, found no record of one view. Pass what the recorder returned for both."
            )
        return [features1, features2], [record1, record2]
    if not (_is_list(features1) and _is_list(features2)):
        raise LossError(
            f"{FORMS}, found {type(features1).__name__} and {type(features2).__name__}."
        )
    if record1 is not None or record2 is not None:
        raise LossError(f"{FORMS}, found two lists and one more record.")
    features, records = list(features1), list(features2)
    if len(features) != len(records):
        raise LossError(
            f"{FORMS}, one record per view, found {len(features)} features and {len(records)} "
            "records."
        )
    return features, records


def pooled(features: Tensor, pool: Pool | None) -> Tensor:
    """Average or pick features over places; what cannot be pooled is returned as it is.

    Args:
        features: ``(B, D)``, maps ``(B, D, H, W)`` or tokens ``(B, N, D)``; maps of one place,
            ``(B, D, 1, 1)``, need no pooling.
        pool: ``mean``, ``cls`` (tokens only), or ``None`` to leave all as they are.

    Returns:
        Features ``(B, D)``.
    """
    if not isinstance(features, Tensor) or not is_dense_float(features):
        return features
    if features.ndim == 4 and features.shape[2:] == (1, 1):
        return features.flatten(1)
    if pool is None:
        return features
    if features.ndim == 4 and pool == "mean":
        return reduce(features, "b d h w -> b d", "mean")
    if features.ndim == 3 and features.shape[1] > 0:
        return features[:, 0] if pool == "cls" else reduce(features, "b n d -> b d", "mean")
    return features


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
