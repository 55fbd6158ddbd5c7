"""Learns widths that nobody said, and gives the heads their shape: from features or saved heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy

from augself_loss.depths import Depths
from augself_loss.heads import RELEASED_NAMES, Heads


def learn_from_features(depths: Depths, heads: Heads, dims: Mapping[str, int]) -> None:
    """Learn D of every depth as it was found in features.

    Args:
        depths: where the features are from.
        heads: those that read them.
        dims: name of the depth → width D.
    """
    if dims != depths.dims:
        depths.learn(dims)
        _shape(depths, heads)


def learn_from_saved(depths: Depths, heads: Heads, state: Mapping[str, Any], prefix: str) -> None:
    """Learn D from a checkpoint.

    Args:
        depths: where the features are from.
        heads: those that read them.
        state: the state dict.
        prefix: what the heads' entries begin with.
    """
    for name in heads:
        _learn(depths, heads, name, state.get(f"{prefix}{name}.0.weight"))


def learn_from_released(depths: Depths, heads: Heads, state_dicts: Any) -> None:
    """Learn D from heads of the released code, see :meth:`Heads.load_released`."""
    if isinstance(state_dicts, Mapping):
        for released, state in state_dicts.items():
            name: Any = RELEASED_NAMES.get(released, released)
            weight = state.get("0.weight") if isinstance(state, Mapping) else None
            _learn(depths, heads, name, weight)


def _learn(depths: Depths, heads: Heads, name: str, weight: Any) -> None:
    """Learn D from a type's first layer, ``(hidden_dim, 2D)``, if nothing set it."""
    if name in heads and isinstance(weight, Tensor) and not is_lazy(weight):
        width = weight.shape[-1] // 2
        depths.learn_from_head(name, width)
        _shape(depths, heads, {name: width})


def _shape(depths: Depths, heads: Heads, more: Mapping[str, int] | None = None) -> None:
    widths = {name: width for name, width in depths.head_widths().items() if width}
    heads.learn({**(more or {}), **widths})
    heads.read_columns(depths.columns())
