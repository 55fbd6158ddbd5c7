"""One head φ_a: a small MLP on two views' features, built, given its shape, and called."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss.errors import LossError
from augself_loss.first_layer import fitted
from augself_loss.untouched import dtype_of


def mlp(feature_dim: int | None, hidden_dim: int, width: int) -> nn.Sequential:
    """Build φ_a: Linear-BN-ReLU-Linear-BN-ReLU-Linear on two concatenated feature vectors.

    Args:
        feature_dim: width D of one view's features; ``None`` leaves the first layer without a
            shape until it is learned.
        hidden_dim: width of both hidden layers.
        width: number of outputs.

    Returns:
        Module ``(B, 2D) → (B, width)``; its state dict has the released code's keys.

    Reference:
        Lee et al., NeurIPS 2021, section 3.3.
    """
    if feature_dim is None:
        first: nn.Module = nn.LazyLinear(hidden_dim, bias=False)
    else:
        first = nn.Linear(2 * feature_dim, hidden_dim, bias=False)
    return nn.Sequential(
        first,
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, hidden_dim, bias=False),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, width),
    )


def check_gathered(weight: Tensor, features: Tensor) -> None:
    """Refuse a head that FSDP2 holds in shards (DTensors) and has not gathered for this call."""
    if hasattr(weight, "device_mesh") and not hasattr(features, "device_mesh"):
        raise LossError(
            "AugSelf expected whole heads, found FSDP shards, which are only gathered inside the "
            "wrapped module's forward(). Call fully_shard(augself.heads), on all heads at once. "
            "If you shard the whole loss, call register_fsdp_forward_method(augself, 'predict')."
        )


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Run a linear layer; in a replica of DataParallel a bias of None may lack its name."""
    weight: Any = layer.weight
    return functional.linear(x, weight, getattr(layer, "bias", None))


def out_of_place(head: nn.Module) -> None:
    """Let no ReLU write over what a hook was shown, or what a layer before it needs."""
    for module in head.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False


def call(head: nn.Module, pairs: Tensor) -> Any:
    """Call a head that something was done to, on concatenated features ``(rows, 2D)``."""
    weight = next(head.parameters(), None)
    gathers = any(hasattr(module, "unshard") for module in head.modules())
    if weight is not None and not gathers:
        check_gathered(weight, pairs)
    dtype = dtype_of(head)
    return head(pairs if dtype is None else fitted(pairs, dtype))


def shape(first: nn.LazyLinear, inputs: int, generator: torch.Generator) -> None:
    """Make an ``nn.Linear`` of a first layer without a shape, initialized as PyTorch does it."""
    drawn = torch.empty(first.out_features, inputs, device="cpu")
    nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
    weight: Any = first.weight
    weight.materialize(drawn.shape)
    weight.copy_(drawn)
    first.in_features = inputs
    first(weight.new_zeros(1, inputs))
