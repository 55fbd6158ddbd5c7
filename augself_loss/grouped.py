"""All heads in one grouped product per layer, instead of one product per head and layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.untouched import all_as_built, held, watched

Head: TypeAlias = Any
"""One of :func:`augself_loss.heads.mlp`; its layers are read by their places."""
FIRST_NORM, SECOND, SECOND_NORM, LAST = 1, 3, 4, 6
"""Places of the layers in a head, as :func:`augself_loss.heads.mlp` builds it."""


def alike(heads: Sequence[Head]) -> bool:
    """Whether several heads can be evaluated as one: as they were built, and set up alike."""
    if len(heads) < 2 or watched() or not all(all_as_built(head) for head in heads):
        return False
    if len({_settings(head) for head in heads}) > 1:
        return False
    norms = (heads[0][FIRST_NORM], heads[0][SECOND_NORM])
    first = norms[0]
    settings = {(n.training, n.momentum, n.eps, n.running_mean is None) for n in norms}
    return len(settings) == 1 and first.momentum is not None and first.running_mean is not None


def _settings(head: Head) -> tuple[Any, ...]:
    """List what heads must share to be evaluated as one; the features' width may differ."""
    layers: Any = head._modules.values()
    first, norm1, _, second, norm2, _, last = layers
    norms = [(n.training, n.momentum, n.eps, n._buffers["running_mean"] is None) for n in
             (norm1, norm2)]  # fmt: skip
    weights: list[Any] = [held(layer, "weight") for layer in (first, second, norm1, last)]
    dtypes = [weight.dtype for weight in weights]
    wide, deep, _, out = weights
    return (*norms, *dtypes, wide.shape[0], deep.shape, out.shape[1], wide.device)


def grouped(heads: Sequence[Head], first: Callable[[Sequence[Tensor]], Tensor]) -> list[Tensor]:
    """Evaluate several heads of equal depth and hidden width.

    Their parameters stay theirs: they are concatenated for the products.

    Args:
        heads: T heads.
        first: multiplies the features with the first layers' weights, side by side.

    Returns:
        Per head, its raw output ``(rows, width)``.
    """
    count, hidden = len(heads), heads[0][SECOND].out_features
    norms = Norms(heads)
    x = first([head[0].weight for head in heads])
    x = functional.relu_(norms(x, FIRST_NORM))
    second = torch.stack([head[SECOND].weight for head in heads])
    x = torch.bmm(_by_head(x, count), second.mT).transpose(0, 1).reshape(-1, count * hidden)
    x = functional.relu_(norms(x, SECOND_NORM))
    norms.keep()
    widths = [head[LAST].out_features for head in heads]
    weight, bias = _padded(heads, max(widths))
    x = torch.baddbmm(bias.unsqueeze(1), _by_head(x, count), weight.mT)
    return [out[:, :width] for out, width in zip(x.unbind(), widths, strict=True)]


def _by_head(x: Tensor, count: int) -> Tensor:
    """View ``(rows, T · hidden)`` as ``(T, rows, hidden)``."""
    return x.view(len(x), count, -1).transpose(0, 1)


def _padded(heads: Sequence[Head], width: int) -> tuple[Tensor, Tensor]:
    """Concatenate the last layers, filled up with zeros to one width: ``(T, width, hidden)``."""
    last: list[Any] = [head[LAST] for head in heads]
    zero = last[0].bias.new_zeros(())
    weights, biases = [], []
    for layer in last:
        fill = width - layer.out_features
        weights += [layer.weight, zero.expand(fill, layer.in_features)]
        biases += [layer.bias, zero.expand(fill)]
    weight = torch.cat(weights).view(len(last), width, -1)
    return weight, torch.cat(biases).view(len(last), width)


class Norms:
    """The heads' batch norms as two wide ones, their parameters and averages side by side."""

    def __init__(self, heads: Sequence[Head]) -> None:
        layers: list[Any] = [head[p] for p in (FIRST_NORM, SECOND_NORM) for head in heads]
        self.like = layers[0]
        self.counts = [norm.num_batches_tracked for norm in layers]
        self.averages = [norm.running_mean for norm in layers]
        self.averages += [norm.running_var for norm in layers]
        both = torch.cat([n.weight for n in layers] + [n.bias for n in layers]).chunk(4)
        self.weight = {FIRST_NORM: both[0], SECOND_NORM: both[1]}
        self.bias = {FIRST_NORM: both[2], SECOND_NORM: both[3]}
        self.wide = torch.cat(self.averages)
        mean1, mean2, var1, var2 = self.wide.chunk(4)
        self.mean = {FIRST_NORM: mean1, SECOND_NORM: mean2}
        self.var = {FIRST_NORM: var1, SECOND_NORM: var2}

    def __call__(self, x: Tensor, place: int) -> Tensor:
        """Normalize ``(rows, T · hidden)``."""
        return functional.batch_norm(
            x, self.mean[place], self.var[place], self.weight[place], self.bias[place],
            self.like.training, self.like.momentum, self.like.eps,
        )  # fmt: skip

    def keep(self) -> None:
        """Write the new averages back to the heads."""
        if self.like.training:
            torch._foreach_copy_(self.averages, list(torch.split(self.wide, len(self.averages[0]))))
            torch._foreach_add_(self.counts, 1)
