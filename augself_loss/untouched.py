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


def held(layer: nn.Module, name: str) -> Tensor | None:
    """Look up a layer's weight or bias; DataParallel and FSDP1 keep them as plain attributes."""
    parameters = layer._parameters
    found: Tensor | None = parameters[name] if name in parameters else layer.__dict__.get(name)
    return found


def first_as_built(head: nn.Module) -> bool:
    """Whether a head's first product may be computed from its weight."""
    if not as_built(head, nn.Sequential) or not head._modules:
        return False
    first: Any = next(iter(head._modules.values()))
    return as_built(first, nn.Linear) and held(first, "bias") is None


def all_as_built(head: nn.Module) -> bool:
    """Whether a head may be computed from its weights alone."""
    layers: Any = head._modules.values()
    if not as_built(head, nn.Sequential) or len(layers) != len(LAYERS):
        return False
    for layer, kind, biased in zip(layers, LAYERS, BIASED, strict=True):
        if not as_built(layer, kind):
            return False
        if biased is not None and (held(layer, "bias") is not None) != biased:
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
