"""A slow encoder that follows the trained one: MoCo's keys, BYOL's targets."""

from __future__ import annotations

import copy

from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from transfer.methods.base import Method


def slow_copy(module: nn.Module) -> nn.Module:
    """Copy a module that will follow it, without gradients."""
    slow = copy.deepcopy(module)
    deactivate_requires_grad(slow)
    return slow


def follow(method: Method, *pairs: tuple[nn.Module, nn.Module]) -> None:
    """Move slow modules towards the trained ones, a step further by the run's schedule.

    Args:
        method: whose step and momentum count.
        pairs: (slow, trained).
    """
    steps = int(method.trainer.estimated_stepping_batches)
    momentum = cosine_schedule(method.global_step, steps, method.config.ema, 1.0)
    for slow, trained in pairs:
        update_momentum(trained, slow, momentum)
