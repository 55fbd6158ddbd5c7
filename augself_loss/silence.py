"""Types of weight 0: they take part in a step, and not even their NaN counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from augself_loss.output import Output


class _Cut(torch.autograd.Function):
    @staticmethod
    def forward(value: Tensor, *_inputs: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.inputs = [(i.shape, i.dtype, i.device) for i in inputs[1:]]

    @staticmethod
    def backward(ctx: Any, *_gradients: Tensor) -> tuple[Tensor | None, ...]:
        given = zip(ctx.inputs, ctx.needs_input_grad[1:], strict=True)
        zeros = (
            torch.zeros(shape, dtype=dtype, device=device) if needed else None
            for (shape, dtype, device), needed in given
        )
        return (None, *zeros)


def cut(value: Tensor, *inputs: Tensor) -> Tensor:
    """Return a value whose gradient at its inputs is exactly 0.

    They stay in the graph, as DDP expects of what it waits for; 0 · NaN does not reach them.
    """
    out: Tensor = _Cut.apply(value, *inputs)
    return out


def silent_output(names: Iterable[str], device: torch.device | None, *inputs: Tensor) -> Output:
    """Return 0 as every term, without computing any.

    Args:
        names: the terms'.
        device: where to.
        *inputs: what the total keeps in its graph.
    """
    zero = cut(torch.zeros((), device=device), *inputs)
    return Output(zero, dict.fromkeys(names, zero.detach()))


def gated(predictions: Mapping[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Pass no gradient back to predictions of weight 0, where only the device knows the weights.

    Args:
        predictions: type name → raw output of its head.
        weights: λ in the same order, ``(types,)``.
    """
    given = zip(predictions.items(), weights.unbind(), strict=True)
    return {name: unheard(raw, weight) for (name, raw), weight in given}


def unheard(value: Tensor, weight: Tensor) -> Tensor:
    """Pass no gradient back to a value where its weight, a scalar, is 0; not even NaN."""
    return torch.where(weight == 0, value.detach(), value)
