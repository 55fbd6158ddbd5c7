"""An MLP without weights of its own: they come with each sample."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss.errors import FeatureError, LossError


class GeneratedMLP(nn.Module):
    """Linear layers with ReLU between them, whose weights and biases come with each sample.

    Args:
        widths: of the input, the hidden layers and the output.

    Attributes:
        weights: how many numbers a sample brings: every layer's weight, ``(in, out)``
            row-major, then its bias, layer by layer.

    Raises:
        LossError: fewer than two widths.

    Example:
        >>> generated = GeneratedMLP([2, 1])
        >>> features, made = torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0, 1.0, 0.5]])
        >>> generated(torch.cat([features, made], dim=1))
        tensor([[34.5000]])
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise LossError(
                f"GeneratedMLP expected at least two widths >= 1, found {list(widths)}."
            )
        self.widths = list(widths)
        self.weights = sum((inner + 1) * outer for inner, outer in pairwise(widths))

    def forward(self, joined: Tensor) -> Tensor:
        """Run every sample through its own layers.

        Args:
            joined: ``(B, widths[0] + weights)``, features and the weights generated for them.

        Returns:
            ``(B, widths[-1])``.

        Raises:
            FeatureError: another width.
        """
        if joined.ndim != 2 or joined.shape[1] != self.widths[0] + self.weights:
            raise FeatureError(
                f"GeneratedMLP expected (B, {self.widths[0]} + {self.weights}), found "
                f"{tuple(joined.shape)}."
            )
        sizes = [size for i, o in pairwise(self.widths) for size in (i * o, o)]
        rows, *made = torch.split(joined, [self.widths[0], *sizes], dim=1)
        for number, (weight, bias) in enumerate(zip(made[0::2], made[1::2], strict=True)):
            rows = functional.relu(rows) if number else rows
            matrix = weight.view(len(rows), rows.shape[1], bias.shape[1])
            rows = torch.einsum("bi,bio->bo", rows, matrix) + bias
        return rows
