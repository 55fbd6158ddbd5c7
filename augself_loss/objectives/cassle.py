"""CASSLE: the projector sees the augmentation of its own view, so the features need not forget it.

    z = g(f ⊕ m(c)),   c the view's condition, m a small MLP, g the method's projector

Reference: Przewięźlikowski et al., *Augmentation-aware Self-supervised Learning with Conditioned
Projector*, arXiv 2306.06082.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_choice, check_whole
from augself_loss.checks import check_values
from augself_loss.draws import undisturbed
from augself_loss.eager import eager
from augself_loss.errors import LossError, RecordError
from augself_loss.objectives.answers import Answers
from augself_loss.objectives.condition import (
    Condition,
    check_condition,
    check_is_condition,
    check_view,
    described,
)
from augself_loss.objectives.generated import GeneratedMLP
from augself_loss.objectives.parts import mlp
from augself_loss.parameters import Record
from augself_loss.trained_with import TrainedWith

RecordOf: TypeAlias = Callable[[Tensor], Record]
"""Says of features ``(N, D)`` which record they have, row by row."""
VARIANTS = ("concatenate", "add", "multiply", "hypernetwork")
Variant: TypeAlias = Literal["concatenate", "add", "multiply", "hypernetwork"]


class ConditionedProjector(TrainedWith):
    """A projector that replaces the method's own and also sees its view's record.

    The base loss stays as it is, and there is no λ. A momentum encoder's projector is a copy of
    this one, and gets the record of the view that it sees. Predictors are not conditioned.

    Called with features alone, it asks the host's step for their record: a module to which
    :func:`~augself_loss.adapters.lightning.add_objective` was applied, or a loop with
    :class:`~augself_loss.PlainStep`. The features must be what the tapped submodule returned, at
    most flattened, cast, concatenated or reordered. A checkpoint that computes them again for the
    backward pass is told the same record, if that comes before the next step.

    Args:
        projector: g; with ``concatenate`` it takes ``feature_dim + condition_dim`` inputs, see
            :meth:`input_dim`, else ``feature_dim``. A ``GeneratedMLP`` for ``hypernetwork``.
        condition: turns a record into the vector c.
        feature_dim: width D of the features.
        variant: how both are joined: ``concatenate``, ``add``, ``multiply``; with
            ``hypernetwork``, m generates all weights of g, for every sample.
        hidden_dim: width w of m, and with ``concatenate`` of its output.
        depth: linear layers of m; 0 passes c as it is (``concatenate`` only).

    Raises:
        LossError: no condition, a projector for another width, wrong widths or an unknown
            variant.

    Example:
        >>> from augself_loss import FlipEncoder
        >>> condition = Condition([FlipEncoder()])
        >>> projector = nn.Linear(ConditionedProjector.input_dim(16, condition), 8)
        >>> project = ConditionedProjector(projector, condition, feature_dim=16)
        >>> project(torch.randn(4, 16), {"flip": torch.zeros(4, 1)}).shape
        torch.Size([4, 8])
    """

    record_of: RecordOf | None = None
    """Set by the host while its step runs."""
    answers: Answers
    """What the host's step told, until the next one."""

    def __init__(
        self,
        projector: nn.Module,
        condition: Condition,
        feature_dim: int,
        *,
        variant: Variant = "concatenate",
        hidden_dim: int = 64,
        depth: int = 6,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        if (variant == "hypernetwork") != isinstance(projector, GeneratedMLP):
            raise LossError(
                f"variant='{variant}' expected a projector "
                f"{'that is a' if variant == 'hypernetwork' else 'with weights, not a'} "
                f"GeneratedMLP, found {type(projector).__name__}."
            )
        check_is_condition("ConditionedProjector", condition)
        joined = variant == "concatenate"
        depth = check_whole("depth", depth, least=0 if joined else 1)
        self.feature_dim = check_whole("feature_dim", feature_dim)
        hidden_dim = check_whole("hidden_dim", hidden_dim)
        self.projector, self.condition, self.variant = projector, condition, variant
        self.trained_with = described(condition)
        widths = [condition.width, *[hidden_dim] * (depth - 1)]
        made = projector.weights if isinstance(projector, GeneratedMLP) else self.feature_dim
        widths.append(hidden_dim if joined else made)
        added = (hidden_dim if depth else condition.width) if joined else 0
        _check_inputs(projector, self.feature_dim + added, variant)
        with undisturbed():
            self.condition_mlp: nn.Module = mlp(widths, last="norm") if depth else nn.Identity()
        self.answers = Answers()
        self._values_checked = False

    @staticmethod
    def input_dim(
        feature_dim: int, condition: Condition, *, hidden_dim: int = 64, depth: int = 6
    ) -> int:
        """Return the projector's input width when features are concatenated with c."""
        return feature_dim + (hidden_dim if depth else condition.width)

    def forward(self, features: Tensor, record: Record | None = None) -> Tensor:
        """Project views.

        Args:
            features: ``(B, D)``, of one view or of several.
            record: their record, row by row; ``None`` asks the host's step.

        Returns:
            What the projector returns.

        Raises:
            FeatureError: features of another shape.
            RecordError: a record that lacks an entry of the condition, or none was found.
        """
        norms = self.training and not isinstance(self.condition_mlp, nn.Identity)
        check_view("ConditionedProjector", features, self.feature_dim, training=norms)
        record = self._asked(features) if record is None else record
        projected: Tensor = self.projector(self._joined(features, self.condition(record)))
        return projected

    def __getstate__(self) -> dict[str, Any]:
        """Leave the host's step out of copies: a momentum encoder's projector is told itself."""
        return {name: value for name, value in vars(self).items() if name != "record_of"}

    @eager
    def _asked(self, features: Tensor) -> Record:
        backward = torch._C._current_graph_task_id() != -1  # a checkpoint computes a call again
        again = self.answers.find(features) if backward else None
        if again is not None:
            return again
        if self.record_of is not None:
            record = self.record_of(features)
            if self.training:
                self.answers.keep(features, record)
            return record
        if backward:
            raise RecordError(
                "ConditionedProjector expected features that it was given in the last step, found "
                "none with these numbers, or several views' alike. If a checkpoint computes them "
                "again, call backward() before the next step; else checkpoint the backbone alone."
            )
        raise RecordError(
            "ConditionedProjector expected the record of its view, found none, since no training "
            "step tracks the views here. Pass it, projector(features, record), or set the model up "
            "with add_objective (Lightning) or PlainStep (your own loop). For views without "
            "augmentation pass identity_record(recorder.layout, len(features))."
        )

    def _joined(self, features: Tensor, condition: Tensor) -> Tensor:
        check_condition("ConditionedProjector", features, condition)
        if not (self._values_checked or torch.compiler.is_compiling()):
            check_values([features], (), {}, "features")  # once, since it waits for the device
            self._values_checked = True
        made: Tensor = self.condition_mlp(condition.to(features.dtype))
        if self.variant == "add":
            return features + made
        if self.variant == "multiply":
            return features * made
        return torch.cat([features, made], dim=1)  # a GeneratedMLP takes them apart


def _check_inputs(projector: nn.Module, width: int, variant: Variant) -> None:
    """Refuse a projector for features alone, or for a condition that does not come beside them.

    Only where its first layer is a Linear, and no Linear in it takes the inputs.
    """
    first = next((m for m in projector.modules() if list(m.parameters(recurse=False))), None)
    taken = [m.in_features for m in projector.modules() if isinstance(m, nn.Linear)]
    if type(first) is nn.Linear and width not in taken:
        way = "as many as there are features"
        if variant == "concatenate":
            way = "ConditionedProjector.input_dim(feature_dim, condition), with your hidden_dim "
            way += "and depth if you set them"
        raise LossError(
            f"ConditionedProjector expected a projector of {width} inputs, found one of "
            f"{taken[0]}. variant='{variant}' takes {way}."
        )
