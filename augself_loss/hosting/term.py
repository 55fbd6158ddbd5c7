"""The term beside a host's loss: records in, features taken while the host's step runs, sum out.

In every step an adapter calls :meth:`Term.take` (records off the views), :meth:`Term.watch` around
the host's own step and, in it, :meth:`Term.compute`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from augself_loss.encoders.base import Recorded
from augself_loss.errors import LossError
from augself_loss.hosting.conditioned import conditioned
from augself_loss.hosting.depth_taps import DepthTaps, Taps, tapped
from augself_loss.hosting.objectives import (
    check_attribute,
    check_augself,
    check_objective,
    check_once,
)
from augself_loss.hosting.optimizers import join, optimizers_in, with_weights
from augself_loss.hosting.pairing import Views
from augself_loss.hosting.tap_outputs import only_tensor
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.third_view import ThirdView, check_compared
from augself_loss.hosting.watching import Watching
from augself_loss.loss import AugSelfLoss
from augself_loss.output import Output
from augself_loss.parameters import Layout, Record
from augself_loss.recording.multiview import split_views

T = TypeVar("T", bound="Term")


@dataclass
class Term:
    """How the term is computed beside one host's loss, and the state of the step that runs.

    Args:
        taps: where features are taken.
        layout: the records' layout.
        views: which views are paired.
        third: a view for the objective alone, which the host does not see; or ``None``.
        conditions: whether the host's projectors ask for records.
        name: what the host's module calls the objective; ``None`` where it has none.

    Attributes:
        records: one per view, of the step that runs.
        waiting: whether a step runs whose term is not computed yet.
    """

    taps: FeatureTaps | DepthTaps
    layout: Layout
    views: Views = "global"
    third: ThirdView | None = None
    conditions: bool = False
    name: str | None = "augself"
    records: list[Record] = field(default_factory=list)
    current: Sequence[Tensor] = ()
    waiting: bool = False
    marked: bool = False
    """Whether a batch's records were seen to be those of the recorder."""
    optimized: bool = False
    """Whether the optimizers were seen to hold the heads."""

    def __post_init__(self) -> None:
        self._watching = Watching(self.taps, conditions=self.conditions)

    @classmethod
    def beside(  # noqa: PLR0913 - every one can be said alone
        cls: type[T],
        root: nn.Module,
        objective: Any,
        recorder: Recorded,
        taps: Taps,
        views: Views = "global",
        *,
        count: int,
        in_order: bool = False,
        third: int | None = None,
        through: str | None = None,
        anything: bool = False,
        name: str = "augself",
        read: Callable[[Any], Any] = only_tensor,
        **own: Any,
    ) -> T:
        """Check that all fit each other, and tap the module; it gets the heads from the adapter.

        Args:
            root: the host's module.
            objective: the loss; ``None`` where the module holds conditioned projectors alone.
            recorder: what makes the views.
            taps: names of the submodules that return features; by depth if the loss has several.
            views: which views are paired.
            count: how many views the recorder makes.
            in_order: see :class:`~augself_loss.taps.FeatureTaps`.
            third: which of the views is the objective's alone.
            through: the submodule that is called with that view's images, see ``ThirdView``.
            anything: whether the host takes other objectives than AugSelf's, and none.
            name: what the module will call the objective.
            read: see there.
            **own: fields of a subclass.

        Raises:
            LossError: no AugSelfLoss, a module that has a term already, or something else by the
                name, an unknown tap or view.
            RecordError: the recorder does not record what the loss predicts.
            EncoderError: the loss's ranges do not hold the recorder's.
        """
        caller = "add_objective" if anything else "add_augself"
        check_once(root, caller)
        held = None if objective is None else name
        if held is not None:
            check_attribute(root, held, caller)
        if anything:
            check_objective(root, objective, caller)
        else:
            check_augself(objective, caller)
        if objective is not None:
            objective.check_recorder(recorder)
        extra = ThirdView.beside(root, objective, taps, third, through, count=count)
        check_compared(views, objective, extra, count=count)
        found = tapped(root, objective, taps, in_order=in_order, read=read)
        conditions = bool(conditioned(root))
        return cls(found, recorder.layout, views, extra, conditions=conditions, name=held, **own)

    def check_optimizers(
        self, augself: AugSelfLoss, optimizers: Sequence[torch.optim.Optimizer]
    ) -> None:
        """Refuse, at the first step, optimizers that do not hold the heads."""
        if not self.optimized:
            augself.check_optimizer(*optimizers)
            self.optimized = True

    def join(self, root: nn.Module, augself: AugSelfLoss, configured: Any) -> None:
        """Let forgotten heads join the optimizer of the tapped modules, and see that all are held.

        Args:
            root: the host's module.
            augself: the heads.
            configured: what the host configured, see
                :func:`~augself_loss.hosting.optimizers.optimizers_in`; without an optimizer nothing
                is trained, and nothing is done.

        Raises:
            LossError: see :func:`~augself_loss.hosting.optimizers.join`.
        """
        optimizers = list(optimizers_in(configured))
        if optimizers:
            join(optimizers, augself, with_weights(root, self.taps.names))
            augself.check_optimizer(*optimizers)

    def take(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Take the records off a batch's views, and keep them for :meth:`compute`.

        Args:
            views: N views ``(B, …)`` and, last, their packed records.

        Returns:
            The views alone.

        Raises:
            RecordError: no records, or those of another recorder.
        """
        first, self.marked = not self.marked, True
        alone, self.records = split_views(views, self.layout, check=first)
        if self.third is not None:
            self.third.take(alone, self.records)
        return alone

    @contextmanager
    def watch(self, root: nn.Module, views: Sequence[Tensor]) -> Iterator[None]:
        """Take features of these views while the host's step runs, and forget the step after it."""
        self.current, self.waiting = views, True
        try:
            with self._watching.step(root, views, lambda: self.records):
                yield
        finally:
            self.taps.forget()
            self.current, self.records, self.waiting = (), [], False

    def compute(
        self,
        objective: Any,
        root: nn.Module | None = None,
        *,
        run: Callable[..., Output] | None = None,
    ) -> Output:
        """Compute the term from the features taken so far; no more are taken in this step.

        Args:
            objective: the loss.
            root: the host's module, where there is a third view.
            run: what is called for the loss, where something is wrapped around it.

        Raises:
            FeatureError: see :meth:`FeatureTaps.features`.
        """
        self.waiting = False
        features, records = self._watching.compared(
            objective, self.views, self.current, self.records
        )
        self.taps.stop()
        if self.third is None or root is None:
            out: Output = (run or objective)(features, records)
            return out
        return self.third.compute(objective, features, records, root, self.taps, run)


def detached(out: Output, prefix: str = "", **more: Tensor) -> dict[str, Tensor]:
    """List by name what a host may log: ``total``, further losses, and every type's.

    Args:
        out: what :meth:`Term.compute` returned.
        prefix: in front of every name.
        **more: further losses, by name.
    """
    values = {"total": out.total, **more, **out.terms}
    return {f"{prefix}{name}": value.detach() for name, value in values.items()}


def loss_in(output: Any) -> Tensor:
    """Find the loss in what a training step returned: a tensor, or a dict with one.

    Raises:
        LossError: neither.
    """
    loss = output.get("loss") if isinstance(output, Mapping) else output
    if isinstance(loss, Tensor):
        return loss
    found = list(output) if isinstance(output, Mapping) else type(output).__name__
    raise LossError(
        f"AugSelf expected training_step to return the loss or a dict with 'loss', found {found}. "
        "Return the loss."
    )


def plus(output: Any, term: Tensor) -> Any:
    """Add the term to the loss in what a training step returned."""
    loss = loss_in(output) + term
    return {**output, "loss": loss} if isinstance(output, Mapping) else loss
