"""AugSelf's neighbours as arms of the comparison: what each may be set to, and its term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augself_loss.objectives import ESSL, STL, EquiMod, Objective
from augself_loss.recording.multiview import MultiViewRecorder
from transfer.config import Config

METHODS = ("simclr", "moco", "simsiam")
"""Those whose arms with a neighbour are compared."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cassle": {},
    "equimod": {"weight": 1.0},
    "stl": {"equivariance": 1.0, "transformation": 0.1, "rank": None},
    "essl": {"weight": 0.4},
}
"""Objective → what it can be set to, as its paper has it; CASSLE has no λ."""


def objective(config: Config, dim: int, recorder: MultiViewRecorder) -> Objective | None:
    """Build the term that a run is trained with besides; CASSLE has none.

    The hidden layers are as wide as the method's own, STL's as AugSelf's heads.

    Args:
        config: the run's settings.
        dim: width of the features.
        recorder: what makes the views.
    """
    hidden, out = config.projector, config.embedding
    if config.objective == "equimod":
        condition = EquiMod.describe(recorder.encoders)
        return EquiMod(dim, condition, hidden_dim=hidden, embedding_dim=out, **config.options)
    if config.objective == "essl":
        return ESSL(dim, hidden_dims=(hidden, hidden), **config.options)
    if config.objective == "stl":
        return STL(dim, hidden_dim=config.head_dim, embedding_dim=out, **config.options)
    return None
