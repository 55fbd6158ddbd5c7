"""AugSelf's neighbours as arms of the comparison: what each may be set to, and its term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from augself_loss.loss import Output
from augself_loss.objectives import ESSL, STL, EquiMod, Objective
from augself_loss.taps import FeatureTaps
from transfer.config import Config

if TYPE_CHECKING:
    from transfer.methods.base import Method

METHODS = ("simclr", "moco", "simsiam")
"""Those whose arms with a neighbour are compared."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cassle": {},
    "equimod": {"weight": 1.0},
    "stl": {"equivariance": 1.0, "transformation": 0.1, "rank": None},
    "essl": {"weight": 0.4},
}
"""Objective → what it can be set to, as its paper has it; CASSLE has no λ."""


class Beside:
    """The term of an objective, of features that the method's own loss computes.

    MoCo's are those of the query and of the key, which carry no gradient, as the AugSelf arm has
    it. A third view goes through the trained backbone, a batch of its own.

    Args:
        method: which holds the objective as ``objective``.
    """

    def __init__(self, method: Method) -> None:
        self.features = FeatureTaps(method, method.taps)

    def watch(self, method: Method, views: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Take the views' features while the method computes its loss in this block."""
        return self.features.watch(method, views)

    def term(self, method: Method, third: Tensor | None) -> Output:
        """Compute the term of the step whose features were taken.

        Args:
            method: whose step it is.
            third: the third view ``(B, 3, H, W)``, if the objective wants one.
        """
        objective: Any = method.objective
        features = self.features.features([0, 1])
        self.features.forget()
        seen = None
        if third is not None and not objective.silent:  # else its batch norms would notice
            seen = method.backbone(objective.prepare(third))
        out: Output = objective(features, method.records, third=seen)
        return out


def add_objective(method: Method) -> None:
    """Add the term of the run's objective to its method; CASSLE has none.

    The hidden layers are as wide as the method's own, STL's as AugSelf's heads.
    """
    made = _objective(method.config, method)
    if made is not None:
        method.objective = made
        method.beside = Beside(method)


def _objective(config: Config, method: Method) -> Objective | None:
    dim, hidden, out = method.backbone.feature_dim, config.projector, config.embedding
    if config.objective == "equimod":
        condition = EquiMod.describe(method.views.recorder.encoders)
        return EquiMod(dim, condition, hidden_dim=hidden, embedding_dim=out, **config.options)
    if config.objective == "essl":
        return ESSL(dim, hidden_dims=(hidden, hidden), **config.options)
    if config.objective == "stl":
        return STL(dim, hidden_dim=config.head_dim, embedding_dim=out, **config.options)
    return None
