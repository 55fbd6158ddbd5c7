"""Tells taps on frozen networks alone, from which nothing but the heads can learn."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import nn

from augself_loss.errors import FeatureError
from augself_loss.hosting.tap_calls import Call

logger = logging.getLogger("augself_loss.taps")


def check_frozen(root: nn.Module | None, calls: Sequence[Call]) -> None:
    """Refuse taps on a momentum encoder alone; log taps on a network that is frozen on purpose.

    Args:
        root: the host's module.
        calls: of taps, none of whose modules has a parameter that trains.

    Raises:
        FeatureError: what is tapped is a copy of a network that trains.
    """
    modules = dict(() if root is None else root.named_modules())
    for call in calls:
        for name, other in modules.items():
            if _is_copy(call.module, other):
                raise FeatureError(
                    "The taps expected features with a gradient, found none: "
                    f"'{call.tap}' is frozen, a copy of '{name}', which trains. Tap both, the one "
                    f"that trains first: taps={(name, call.tap)!r}."
                )
    logger.warning(
        "Only the heads learn from the term: the taps expected features with a gradient, found "
        "none, since %s is frozen.",
        sorted({call.tap for call in calls}),
    )


def _is_copy(frozen: nn.Module, other: nn.Module) -> bool:
    """Whether a network that trains is built alike, and its weights are much the same."""
    mine, theirs = list(frozen.parameters()), list(other.parameters())
    alike = type(other) is type(frozen) and [p.shape for p in mine] == [p.shape for p in theirs]
    if not alike or not any(parameter.requires_grad for parameter in theirs):
        return False
    # Blocks of one network are built alike too. Weights that were drawn apart have a cosine near 0.
    pairs = [(a, b) for a, b in zip(mine, theirs, strict=True) if a.ndim > 1]
    cosines = [torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) for a, b in pairs]
    return bool(cosines) and bool(torch.stack(cosines).mean() > 0.5)
