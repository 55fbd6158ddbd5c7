"""VISSL's hook that adds the term to its loss, and the list of hooks that a run needs."""

from __future__ import annotations

import logging
from typing import Any

import torch
from classy_vision.generic.distributed_util import is_primary
from classy_vision.hooks.classy_hook import ClassyHook
from torch import Tensor, nn
from vissl.data.collators.collator_helper import MultiDimensionalTensor
from vissl.hooks import MoCoHook, default_hook_generator

from augself_loss.adapters.vissl.device import DeviceViews
from augself_loss.adapters.vissl.moco import key_features
from augself_loss.adapters.vissl.settings import Settings
from augself_loss.adapters.vissl.transform import KEY, NAME
from augself_loss.errors import LossError, RecordError
from augself_loss.hosting.extend import extend
from augself_loss.hosting.pairing import paired
from augself_loss.hosting.term import detached
from augself_loss.output import Output
from augself_loss.recording.multiview import split_views
from augself_loss.views import tensors_in


def augself_hooks(config: Any) -> list[Any]:
    """List VISSL's own hooks and AugSelf's, for ``launch_distributed(hook_generator=…)``.

    Args:
        config: VISSL's config, prepared by :func:`~augself_loss.adapters.vissl.enable`.

    Raises:
        LossError: a config that was not prepared.
    """
    if "AUGSELF" not in config.MODEL:
        raise LossError(
            "augself_hooks expected a config prepared by enable(config), found another. Call "
            "enable(config) first."
        )
    settings = Settings.of(config.MODEL.AUGSELF.NODE, config.MODEL.AUGSELF.TRANSFORMS)
    hooks: list[Any] = default_hook_generator(config)
    if settings.kornia:
        hooks.append(DeviceHook(settings))
    if "weights" in settings.options:
        for hook in hooks:
            if isinstance(hook, MoCoHook):
                extend(hook, key_features)
        hooks.append(AugSelfHook(settings))
    return hooks


class _Hook(ClassyHook):  # type: ignore[misc]
    """A hook that does nothing yet."""

    on_start = on_phase_start = on_forward = on_loss_and_meter = ClassyHook._noop
    on_backward = on_update = on_step = on_phase_end = on_end = ClassyHook._noop


class AugSelfHook(_Hook):
    """Adds the term to the loss of every training step, and logs it as VISSL logs the loss.

    Args:
        settings: what the config says.

    Attributes:
        logged: of the last step, detached: ``total``, the term; ``base``, VISSL's own loss without
            it; and every type's unweighted loss.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.layout = settings.recorder().layout
        self.logged: dict[str, Tensor] = {}

    def on_start(self, task: Any) -> None:
        """Refuse an optimizer without the heads, and join the loss."""
        task.base_model.augself.check_optimizer(task.optimizer.optimizer)

        def add(_loss: nn.Module, _args: Any, base: Tensor) -> Tensor:
            return base + self._term(task, base) if task.train else base

        task.base_loss.register_forward_hook(add)

    def on_update(self, task: Any) -> None:
        """Log the terms, at the steps at which VISSL logs its loss."""
        step, every = task.iteration, task.config["LOG_FREQUENCY"]
        due = step == 1 or step % every == 0 or (step <= 100 and step % 5 == 0)
        if not (self.settings.log and due and is_primary() and task.train and self.logged):
            return
        values = {f"augself/{name}": float(value) for name, value in self.logged.items()}
        logging.info("; ".join(f"{name}: {value:.5f}" for name, value in values.items()))
        for hook in task.hooks:
            if hasattr(hook, "tb_writer"):
                for name, value in values.items():
                    hook.tb_writer.add_scalar(name, value, step)

    def _term(self, task: Any, base: Tensor) -> Tensor:
        sample, model = task.last_batch.sample, task.base_model
        packed = sample.get(KEY)
        if packed is None:
            raise RecordError(
                f"AugSelf expected the views' records in the batch, found {list(sample)}. Wrap "
                f"DATA.TRAIN.TRANSFORMS in '{NAME}', or start with AugSelf's launcher, which does "
                "it."
            )
        features = model.augself_tap.views(*packed.shape[:2])
        alike = [tensors_in([view])[0] for view in features]
        _, records = split_views([*alike, packed], self.layout, check=not self.logged)
        wanted = self._wanted(sample["input"], alike)
        out: Output = model.augself([features[i] for i in wanted], [records[i] for i in wanted])
        self.logged = detached(out, base=base)
        return out.total

    def _wanted(self, images: Any, features: list[Tensor]) -> list[int]:
        if isinstance(images, MultiDimensionalTensor):  # it knows the size of every view
            images = [torch.empty(*size, device="meta") for size in images.image_sizes]
        # One tensor holds views of one size.
        alike = images if isinstance(images, list) else features
        return paired(self.settings.views, alike)


class DeviceHook(_Hook):
    """Lets Kornia augment every training batch on the device.

    Args:
        settings: what the config says.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.recorder = settings.recorder()

    def on_phase_start(self, task: Any) -> None:
        """Augment what this epoch's iterator yields."""
        if task.train:
            task.data_iterator = DeviceViews(task.data_iterator, self.recorder)
