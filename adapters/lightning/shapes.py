"""Refuses heads without a shape where Lightning wants all shapes before the first step."""

from __future__ import annotations

from typing import Any

from augself_loss.hosting.objectives import check_shaped

WANTING = {
    "WeightAveraging",
    "StochasticWeightAveraging",
    "LearningRateFinder",
    "BatchSizeFinder",
    "ParallelStrategy",
}
"""Classes of Lightning that copy, save or share all parameters before the first step."""


def check_shapes(trainer: Any, objective: Any, callbacks: Any) -> None:
    """Refuse, when training starts, what would fail on parameters without a shape.

    Args:
        trainer: the module's, ``None`` where it has none.
        objective: the loss, or ``None``.
        callbacks: what the module's ``configure_callbacks`` returned: one, several or none.

    Raises:
        LossError: heads without a shape beside a callback or a strategy that wants shapes.
    """
    if trainer is None or objective is None or not trainer.training:
        return
    own = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    for part in (*trainer.callbacks, *own, trainer.strategy):
        if WANTING & {base.__name__ for base in type(part).__mro__}:
            check_shaped(objective, type(part).__name__)
