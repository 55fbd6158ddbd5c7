"""Tells a model that ends in a projector: its own output is not what a loss should read."""

from __future__ import annotations

from torch import nn

from augself_loss.errors import LossError
from augself_loss.keywords import innermost

HEADS = frozenset({
    "classifier", "fc", "head", "heads", "mlp", "pred", "prediction", "predictor", "proj",
    "projection", "projector",
})  # fmt: skip
"""Words in the names of submodules that come after the features."""


def check_end(name: str, model: nn.Module) -> None:
    """Refuse to tap a model's own output where it ends in a projector or a classifier.

    Raises:
        LossError: its last submodule with parameters is called like one.
    """
    children = innermost(model).named_children()
    ends = [end for end, child in children if next(child.parameters(), None) is not None]
    words = set(ends[-1].lower().split("_")) if ends else set()
    if words & HEADS and "norm" not in words:  # timm's fc_norm ends a backbone
        raise LossError(
            f"{name} expected taps, the name of the submodule that returns the features before "
            f"the projector, found none, and a model that ends in '{ends[-1]}'. "
            "augself_loss.taps.find_taps(model, images) lists such names. If the model's own "
            f"output is meant, name that: taps='{ends[-1]}'."
        )
