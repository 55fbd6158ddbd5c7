"""The term of a LightningModule: where its batches hold the views, and how it is logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from augself_loss.eager import eager
from augself_loss.errors import LossError
from augself_loss.hosting.batch_term import BatchTerm
from augself_loss.hosting.term import detached, loss_in, plus
from augself_loss.output import Output

HINT = " (which a DataModule's own on_after_batch_transfer overrides)"
"""Where else images on the device may get lost."""


@dataclass
class Step(BatchTerm):
    """What the module's own step is wrapped in."""

    def objective(self, module: Any) -> Any:
        """Return the module's objective, ``None`` where it has none."""
        return None if self.name is None else getattr(module, self.name)

    def added(self, module: Any, output: Any) -> Any:
        """Add Σ λ · L to the loss in what a step returned, and log it beside the host's own."""
        objective = self.objective(module)
        if objective is None:  # the module's projectors are conditioned, and that is all
            self.waiting = False
            return output
        base = loss_in(output)
        out = self.compute(objective, module)
        self._log(module, out, base)
        return plus(output, out.total)

    def check_manual(self) -> None:
        """Refuse a step of manual optimization that ran the tapped module without its term."""
        if self.waiting and self.taps.called:
            raise LossError(
                "AugSelf expected self.manual_backward(loss) in manual optimization, to add its "
                "term to the first loss, found no call. Call it instead of loss.backward()."
            )

    @eager
    def _log(self, module: Any, out: Output, base: Tensor) -> None:
        trainer = trainer_of(module)
        if self.log is not None and trainer is not None:
            logged = detached(out, f"{self.log}/", base=base)
            module.log_dict(logged, batch_size=len(self.current[0]))


def trainer_of(module: Any) -> Any:
    """Return the module's trainer, ``None`` where it has none."""
    # Before 1.8, Lightning keeps the trainer as a plain attribute.
    return getattr(module, "_trainer", None) or vars(module).get("trainer")
