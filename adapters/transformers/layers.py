"""What a Trainer does otherwise once it has a term."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from augself_loss.adapters.transformers.step import Step


def training(host: Any) -> Mapping[str, Any]:
    """Say what a Trainer with the term does otherwise."""

    @functools.wraps(host.train)
    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.augself_step.logged()  # what an earlier run did not log
        return host.train(self, *args, **kwargs)

    @functools.wraps(host.compute_loss)
    def compute_loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        if step.evaluating or not torch.is_grad_enabled():
            return host.compute_loss(self, model, step.stripped(inputs), *args, **kwargs)
        inputs, views = step.separate(step.augmented(inputs))
        with step.watch(self.model, views):
            found = host.compute_loss(self, model, inputs, *args, **kwargs)
            base: Tensor = found[0] if isinstance(found, tuple) else found
            total = base + step.term(self, base, kwargs.get("num_items_in_batch"))
        return (total, *found[1:]) if isinstance(found, tuple) else total

    @functools.wraps(host.prediction_step)
    def prediction_step(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        with step.evaluation():
            return host.prediction_step(self, model, step.stripped(inputs), *args, **kwargs)

    @functools.wraps(host.evaluation_loop)
    def evaluation_loop(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.augself_step.evaluation():
            return host.evaluation_loop(self, *args, **kwargs)

    @functools.wraps(host.create_optimizer)
    def create_optimizer(self: Any, *args: Any, **kwargs: Any) -> Any:
        optimizer = host.create_optimizer(self, *args, **kwargs)
        self.augself_step.join(self.model, self.model.augself, optimizer)
        return optimizer

    @functools.wraps(host.log)
    def log(self: Any, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:  # those of the training steps
            logs = {**logs, **self.augself_step.logged()}
        host.log(self, logs, *args, **kwargs)

    return {
        "train": train,
        "compute_loss": compute_loss,
        "prediction_step": prediction_step,
        "evaluation_loop": evaluation_loop,
        "create_optimizer": create_optimizer,
        "log": log,
    }
