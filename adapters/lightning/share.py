"""Keeps a share of gradients in a Lightning run: measures before backward, saves the average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from augself_loss.adapters.lightning.host import host_classes
from augself_loss.errors import LossError
from augself_loss.loss import AugSelfLoss
from augself_loss.objectives import Objectives
from augself_loss.share import GradientShare

Callback: Any = host_classes("Callback")[0]


def as_computed(trainer: Any, loss: Tensor) -> Tensor:
    """Undo what Lightning did to a step's loss before ``on_before_backward``.

    It divides a loss by the batches that are accumulated, and scales it in float16.
    """
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    scale = 1.0 if scaler is None else scaler.get_scale()
    undone: Tensor = loss * (trainer.accumulate_grad_batches / scale)
    return undone


def _losses(module: Any) -> list[AugSelfLoss]:
    """List the AugSelfLosses that adapters added to a module."""
    added = [getattr(module, name, None) for name in ("augself", "objective")]
    each = [
        one for held in added for one in (held.values() if isinstance(held, Objectives) else [held])
    ]
    return [one for one in each if isinstance(one, AugSelfLoss)]


def _close_earlier(augself: AugSelfLoss) -> None:
    """Stop what an earlier fit let watch a loss, perhaps by another callback."""
    for hook in list(augself._forward_hooks.values()):
        earlier = getattr(hook, "__self__", None)
        if isinstance(earlier, GradientShare):
            earlier.close()


class GradientShares:
    """What :class:`KeepGradientShare` does, as a callback of whichever Lightning runs it."""

    def __init__(self, share: float | Mapping[str, float] = 0.5, **settings: Any) -> None:
        self.share, self.settings = share, settings
        self.control: GradientShare | None = None
        self._loaded: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Watch the module's AugSelfLoss, as it was added to it."""
        found = _losses(pl_module)
        if len(found) != 1:
            raise LossError(
                "KeepGradientShare expected a module with one AugSelfLoss, found "
                f"{type(pl_module).__name__} with {len(found)}. Add one by add_augself or "
                "add_objective, alone or among Objectives."
            )
        _close_earlier(found[0])
        self.control = GradientShare(found[0], self.share, **self.settings)
        if self._loaded is not None:
            self.control.load_state_dict(self._loaded)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:  # noqa: ARG002
        """Measure, if this step's turn has come: the loss holds the term."""
        assert self.control is not None
        self.control.measure_within(as_computed(trainer, loss))

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Let go of the term; what was measured stays."""
        self._let_go()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """Let go of the term in a fit that breaks off, which is not torn down."""
        self._let_go()

    def _let_go(self) -> None:
        if self.control is not None:
            self._loaded = self.control.state_dict()
            self.control.close()

    def state_dict(self) -> dict[str, Any]:
        """Keep the average in checkpoints."""
        return self.control.state_dict() if self.control is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self._loaded = state_dict or None


class KeepGradientShare(GradientShares, Callback):  # type: ignore[misc]
    """Sets λ during training, so that every type's gradient keeps a share of the base loss's.

    Takes the arguments of :class:`~augself_loss.GradientShare`. Works with automatic and manual
    optimization; if a step has several losses, the first one holds the term. Among
    :class:`~augself_loss.objectives.Objectives` it sets those of the AugSelfLoss, and the others'
    terms count with the base loss.

    Raises:
        LossError: when training begins, a module without an AugSelfLoss, or with two.

    Example:
        >>> import lightning.pytorch as pl
        >>> keep = KeepGradientShare(0.5, every=50)
        >>> trainer = pl.Trainer(callbacks=[keep], logger=False, max_epochs=1)
    """
