"""Which modules of a host are hooked for its taps: they, what holds them, what runs before them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from torch import nn


class Role(Enum):
    """Why a module is hooked: it is a tap, holds one, or runs before one in the same parent."""

    TAP = "tap"
    AROUND = "around"
    BESIDE = "beside"


def roles(root: nn.Module, taps: Sequence[str]) -> dict[str, Role]:
    """Say which modules are hooked: taps, what holds them, and what runs before them beside them.

    The last serve networks whose methods bypass their own hooks: ``forward_features`` of a
    transformer calls its ``patch_embed``, which is given the images, and its ``norm``. Likewise a
    root whose step calls its ``stem`` and its ``net``.
    """
    holding = {"": Role.AROUND}
    for tap in taps:
        parts = tap.split(".")
        holding.update({".".join(parts[:i]): Role.AROUND for i in range(1, len(parts))})
    holding.update(dict.fromkeys(taps, Role.TAP))
    beside: dict[str, Role] = {}
    for name in filter(None, holding):
        parent, _, last = name.rpartition(".")
        for child, module in root.get_submodule(parent).named_children():
            if child == last:
                break
            # A hook would break the graph of a module that was compiled in place.
            if module._compiled_call_impl is None:
                beside[f"{parent}.{child}" if parent else child] = Role.BESIDE
    return {**beside, **holding}
