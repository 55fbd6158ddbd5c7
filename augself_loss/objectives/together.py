"""Several objectives beside one base loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.arguments import unfit_names
from augself_loss.encoders.base import Recorded
from augself_loss.errors import LossError
from augself_loss.loss import AugSelfLoss
from augself_loss.objectives.base import Objective
from augself_loss.objectives.given import check_lambdas
from augself_loss.optimizers import Named
from augself_loss.output import Output
from augself_loss.parameters import Record


class Objectives(nn.ModuleDict, Named):
    """The sum of several objectives, each with its own λ.

    Args:
        objectives: name → :class:`~augself_loss.loss.AugSelfLoss` or :class:`Objective`; at most
            one of them may need a third view.

    Raises:
        LossError: none, anything else, a name that cannot be one, two that need a third view, or
            an ``AugSelfLoss`` that reads several depths.

    Example:
        >>> from augself_loss import FlipEncoder
        >>> from augself_loss.objectives import EquiMod
        >>> augself = AugSelfLoss(16, {"flip": 1.0})
        >>> equimod = EquiMod(16, EquiMod.describe([FlipEncoder()]), embedding_dim=8)
        >>> both = Objectives({"augself": augself, "equimod": equimod})
        >>> plain, one, two = torch.randn(3, 4, 16)
        >>> record = {"flip": torch.tensor([[0.0], [1.0], [0.0], [1.0]])}
        >>> sorted(both([one, two], [record, record], third=plain).terms)
        ['augself/flip', 'equimod/equimod']
    """

    def __init__(self, objectives: Mapping[str, AugSelfLoss | Objective]) -> None:
        if not isinstance(objectives, Mapping) or not objectives:
            raise LossError(
                "Objectives expected a dict from name to objective, with at least one, found "
                f"{objectives!r}."
            )
        taken = unfit_names(objectives, Objectives)
        if taken:
            raise LossError(
                "Objectives expected names without a dot, other than those of its own attributes, "
                f"found {taken[0]!r}. Rename it, e.g. 'augself'."
            )
        for name, one in objectives.items():
            if not isinstance(one, (AugSelfLoss, Objective)):
                raise LossError(
                    f"Objectives expected '{name}' as an AugSelfLoss or an Objective, found "
                    f"{type(one).__name__}. A ConditionedProjector goes into the model itself."
                )
            if isinstance(one, AugSelfLoss) and one.depths.named:
                raise LossError(
                    f"Objectives expected objectives that read one depth, found '{name}' with "
                    f"{list(one.depths.dims)}."
                )
        wanting = [n for n, one in objectives.items() if getattr(one, "third_view", None)]
        if len(wanting) > 1:
            raise LossError(
                f"Objectives expected at most one objective with a third view, found {wanting}. "
                "Train them in separate runs."
            )
        super().__init__(objectives)

    @property
    def weights(self) -> dict[str, float]:
        """``objective/term`` → λ, as the terms are named."""
        members: dict[str, Any] = dict(self.items())
        return {f"{n}/{term}": w for n, one in members.items() for term, w in one.weights.items()}

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change some λ during training, of any of them.

        Args:
            weights: ``objective/term`` → new λ ≥ 0, e.g. ``{"augself/crop": 0.5}``.

        Raises:
            LossError: a term that none of them has, or an invalid weight.
        """
        check_lambdas("Objectives", weights, self.weights)
        members: dict[str, Any] = dict(self.items())
        for name, one in members.items():
            keys = {term: f"{name}/{term}" for term in one.weights}
            mine = {term: weights[key] for term, key in keys.items() if key in weights}
            if mine:
                one.set_weights(mine)

    @property
    def _third(self) -> Objective | None:
        """The one that needs a third view."""
        return next((one for one in self.values() if getattr(one, "third_view", None)), None)  # type: ignore[return-value]

    @property
    def third_view(self) -> str | None:
        """What a third view must be, see :class:`Objective`."""
        return None if self._third is None else self._third.third_view

    @property
    def least_views(self) -> int:
        """How many views are compared at least, see :class:`Objective`."""
        return max(getattr(one, "least_views", 2) for one in self.values())

    @property
    def reads_views(self) -> bool:
        """Whether features of the views are needed."""
        return any(getattr(one, "reads_views", True) for one in self.values())

    @property
    def silent(self) -> bool:
        """Whether no third view is needed: its λ is 0."""
        return self._third is not None and self._third.silent

    def prepare(self, images: Tensor) -> Tensor:
        """Turn a third view's images into what the backbone is to see."""
        return images if self._third is None else self._third.prepare(images)

    def check_third(self, record: Record) -> None:
        """Refuse a third view made otherwise than the one that needs it wants.

        Raises:
            RecordError: see there.
        """
        if self._third is not None:
            self._third.check_third(record)

    def forward(
        self,
        features: Sequence[Tensor],
        records: Sequence[Record],
        third: Tensor | None = None,
    ) -> Output:
        """Compute all of them, see :meth:`Objective.forward`.

        Returns:
            The sum of their totals; their terms, named ``objective/term``.
        """
        found: dict[str, Output] = {}
        for name, one in self.items():
            beside: Any = {"third": third} if getattr(one, "third_view", None) else {}
            found[name] = one(features, records, **beside)
        terms = {
            f"{n}/{term}": value for n, out in found.items() for term, value in out.terms.items()
        }
        return Output(torch.stack([out.total for out in found.values()]).sum(), terms)

    def shape_heads(self, features: Sequence[Tensor]) -> None:
        """Give every AugSelfLoss's heads their shape, see :meth:`AugSelfLoss.shape_heads`.

        Raises:
            FeatureError: features that do not fit.
        """
        for one in self.values():
            if isinstance(one, AugSelfLoss):
                one.shape_heads(features)

    def check_optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Refuse optimizers that lack some of their networks.

        Raises:
            LossError: none of them holds some parameter.
        """
        for one in self.values():
            one.check_optimizer(*optimizers)  # type: ignore[operator]

    def check_recorder(self, recorder: Recorded) -> None:
        """Refuse a recorder that cannot serve all of them.

        Raises:
            RecordError: it does not record what is needed.
            EncoderError: it samples from wider ranges than some loss was built for.
        """
        for one in self.values():
            one.check_recorder(recorder)  # type: ignore[operator]
