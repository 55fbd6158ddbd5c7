"""AugSelf for tiny_trainer: ``add_augself(task, augself, recorder, taps="backbone")``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from tiny_trainer import Task
from torch import Tensor

from augself_loss import AugSelfLoss, LossError
from augself_loss.hosting.batches import Place
from augself_loss.hosting.extend import extend
from augself_loss.hosting.term import Term, detached
from augself_loss.recording.multiview import MultiViewRecorder

VIEWS = Place("views")


def add_augself(
    task: Task, augself: AugSelfLoss, recorder: MultiViewRecorder, *, taps: str
) -> Task:
    """Add the AugSelf term to a task's loss, in place."""
    if not isinstance(task, Task):
        raise LossError(f"add_augself expected a Task, found {type(task).__name__}.")
    term = Term.beside(task, augself, recorder, taps, count=len(recorder.recorders))
    extend(task, _training)
    host: Any = task
    host.augself, host.augself_term = augself, term
    return task


def _training(host: Any) -> Mapping[str, Any]:
    """Say what a task with the term does otherwise."""

    def compute_loss(self: Any, batch: dict[str, Any]) -> Tensor:
        if not self.training:
            return host.compute_loss(self, VIEWS.stripped(batch))
        term: Term = self.augself_term
        views = term.take(VIEWS.get(batch))  # the records are off
        with term.watch(self, views):  # features are taken while the task's own code runs
            loss = host.compute_loss(self, VIEWS.put(batch, views))
            out = term.compute(self.augself)
        self.log(detached(out, base=loss))
        return loss + out.total

    def build_optimizer(self: Any) -> torch.optim.Optimizer:
        optimizer = host.build_optimizer(self)
        self.augself_term.join(self, self.augself, optimizer)  # the heads learn with the backbone
        return optimizer

    return {"compute_loss": compute_loss, "build_optimizer": build_optimizer}
