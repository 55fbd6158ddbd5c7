"""Tells the layers and heads that are as they were built from those that something was done to.

The fast paths read a layer's weight instead of calling it. They serve layers whose call does no
more than their class says: no hooks (spectral norm, pruning, loggers), no parametrization, no
wrapper (FSDP, compile, LoRA), no other class.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

LAYERS = (nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear)
"""Classes of a head's layers, as :func:`augself_loss.heads.mlp` builds it."""
BIASED = (False, True, None, False, True, None, True)
"""Whether each has a bias; ``None`` where it could not."""


def watched() -> bool:
    """Whether some hook waits for the call of any module."""
    return bool(
        nn_module._global_forward_hooks
        or nn_module._global_forward_pre_hooks
        or nn_module._global_backward_hooks
        or nn_module._global_backward_pre_hooks
    )


def as_built(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling a module is no more than its class's ``forward``."""
    return (
        type(module) is kind
        and not module._forward_pre_hooks
        and not module._forward_hooks
        and not module._backward_pre_hooks
        and not module._backward_hooks
        and "forward" not in module.__dict__
        and module._compiled_call_impl is None
    )


def first_as_built(head: nn.Module) -> bool:
    """Whether a head's first product may be computed from its weight."""
    return (
        as_built(head, nn.Sequential)
        and len(head) > 0  # type: ignore[arg-type]
        and as_built(head[0], nn.Linear)  # type: ignore[index]
        and getattr(head[0], "bias", None) is None  # type: ignore[index]
    )


def all_as_built(head: Any) -> bool:
    """Whether a head may be computed from its weights alone."""
    if not as_built(head, nn.Sequential) or len(head) != len(LAYERS):
        return False
    for layer, kind, biased in zip(head, LAYERS, BIASED, strict=True):
        if not as_built(layer, kind):
            return False
        if biased is not None and (getattr(layer, "bias", None) is not None) != biased:
            return False
    return True


def tensors(module: nn.Module) -> list[Tensor]:
    """List what a module computes with; DataParallel and FSDP1 keep it as plain attributes."""
    held = (*module._parameters.values(), *module.__dict__.values())
    return [t for t in held if isinstance(t, Tensor) and t.is_floating_point()]


def dtype_of(head: Any) -> torch.dtype | None:
    """Find the dtype that a head computes in."""
    if first_as_built(head):
        weight: Tensor = head[0].weight
        return weight.dtype
    modules = list(head.modules())
    for module in modules:  # FSDP1 casts its parameters while it runs
        dtype: torch.dtype | None = getattr(
            getattr(module, "mixed_precision", None), "param_dtype", None
        )
        if dtype is not None:
            return dtype
    return next((t.dtype for module in modules for t in tensors(module)), None)
