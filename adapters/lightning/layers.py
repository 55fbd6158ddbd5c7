"""What a LightningModule does otherwise once it has a term."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from augself_loss.adapters.lightning.host import host_classes
from augself_loss.adapters.lightning.shapes import check_shapes
from augself_loss.adapters.lightning.step import HINT, Step, trainer_of
from augself_loss.hosting.term import loss_in

EVALUATION = ("validation_step", "test_step", "predict_step")
HOSTS = host_classes("LightningModule")


def training(host: Any) -> Mapping[str, Any]:
    """Say what a module with the term does otherwise; Lightning reads the steps' signatures."""

    @functools.wraps(host.training_step)
    def training_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        if step.evaluating:  # a validation_step that calls this one
            return host.training_step(self, batch, *args, **kwargs)
        batch, views = step.separate(batch, HINT)
        with step.watch(self, views):
            output = host.training_step(self, batch, *args, **kwargs)
            if not self.automatic_optimization:
                step.check_manual()
            elif output is not None:
                output = step.added(self, output)
        return output

    @functools.wraps(host.manual_backward)
    def manual_backward(self: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        if step.waiting:
            loss = step.added(self, loss_in(loss))
        return host.manual_backward(self, loss, *args, **kwargs)

    @functools.wraps(host.configure_optimizers)
    def configure_optimizers(self: Any) -> Any:
        configured = host.configure_optimizers(self)
        step: Step = self.augself_step
        objective = step.objective(self)
        if objective is not None:
            step.join(self, objective, configured)
        return configured

    return {
        "training_step": training_step,
        "manual_backward": manual_backward,
        "configure_optimizers": configure_optimizers,
        **starting(host),
        **_evaluation(host),
    }


def starting(host: Any) -> Mapping[str, Any]:
    """Look, when training starts, at what would fail on heads without a shape."""

    @functools.wraps(host.configure_callbacks)
    def configure_callbacks(self: Any) -> Any:
        callbacks = host.configure_callbacks(self)
        check_shapes(trainer_of(self), self.augself_step.objective(self), callbacks)
        return callbacks

    return {"configure_callbacks": configure_callbacks}


def _evaluation(host: Any) -> dict[str, Any]:
    """Let the steps that the module has of its own see batches as its training step does."""

    def stripping(own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def evaluation_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
            step: Step = self.augself_step
            with step.evaluation():
                return own(self, step.stripped(batch), *args, **kwargs)

        return evaluation_step

    own = [n for n in EVALUATION if all(getattr(host, n) is not getattr(h, n) for h in HOSTS)]
    return {name: stripping(getattr(host, name)) for name in own}


def on_device(host: Any) -> Mapping[str, Any]:
    """Augment what arrived on the device, while training."""

    @functools.wraps(host.on_after_batch_transfer)
    def on_after_batch_transfer(self: Any, batch: Any, dataloader_idx: int) -> Any:
        batch = host.on_after_batch_transfer(self, batch, dataloader_idx)
        step: Step = self.augself_step
        if step.device_recorder is None or not self.trainer.training:
            return batch
        return step.place.augmented(batch, step.device_recorder, self.dtype)

    return {"on_after_batch_transfer": on_after_batch_transfer}
