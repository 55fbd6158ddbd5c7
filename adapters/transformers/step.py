"""The term of a Trainer: where its batches hold the views, how it is scaled and logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from augself_loss.hosting.batch_term import BatchTerm
from augself_loss.hosting.in_sync import InSync
from augself_loss.hosting.term import detached


@dataclass
class Step(BatchTerm):
    """What the Trainer's own ``compute_loss`` is wrapped in.

    Args:
        in_sync: keeps the heads alike in all processes.

    Attributes:
        sums: of what is logged, since it was logged last.
        count: how many losses these are sums of.
    """

    in_sync: InSync | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def augmented(self, inputs: Any) -> Any:
        """Augment the batch's images, where no worker did."""
        if self.device_recorder is None:
            return inputs
        return self.place.augmented(inputs, self.device_recorder, torch.float32)

    def term(self, trainer: Any, base: Tensor, items: Any) -> Tensor:
        """Compute Σ λ · L on the scale of the Trainer's own loss, and keep it for the log.

        Args:
            trainer: it holds the model, which holds the heads.
            base: the Trainer's own loss.
            items: the ``num_items_in_batch`` that it was computed with.
        """
        augself = trainer.model.augself
        assert self.in_sync is not None
        out = self.compute(augself, run=self.in_sync.runner(lambda: None))
        self.count += 1
        for name, value in detached(out, base=base).items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        return out.total / _micro_batches(trainer, items)

    def logged(self) -> dict[str, float]:
        """Return the means since they were logged last."""
        sums, count = self.sums, self.count
        self.sums, self.count = {}, 0
        if self.log is None:
            return {}
        return {f"{self.log}/{name}": float(s) / count for name, s in sums.items()}


def _micro_batches(trainer: Any, items: Any) -> int:
    """Say by how many the Trainer leaves its loss undivided, having summed it over all of them."""
    scaled = getattr(trainer, "loss_is_scaled_for_ga", None)
    if scaled is None:
        by_model = trainer.model_accepts_loss_kwargs and items is not None
        scaled = by_model or trainer.compute_loss_func is not None
    return int(trainer.current_gradient_accumulation_steps) if scaled else 1
