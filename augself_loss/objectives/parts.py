"""Parts that several objectives share: NT-Xent and multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss.errors import FeatureError, LossError

Last: TypeAlias = Literal["linear", "bias", "norm", "norm without weights"]
"""What the last layer of an MLP carries: nothing, a bias, or a batch norm with or without its own
weights."""


def nt_xent(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Find every row's partner among all rows: normalized temperature-scaled cross-entropy.

    Row i of ``one`` belongs to row i of ``other``; all other rows of both are its negatives.

    Args:
        one: ``(N, D)``.
        other: ``(N, D)``.
        temperature: τ > 0.

    Returns:
        Scalar, the mean over 2N rows.

    Raises:
        FeatureError: different shapes, or no rows.

    Example:
        >>> float(nt_xent(torch.eye(2), torch.eye(2), temperature=0.1)) < 1e-3
        True

    Reference:
        Chen et al., *A Simple Framework for Contrastive Learning*, ICML 2020, equation 1.
    """
    if one.shape != other.shape or one.ndim != 2 or len(one) == 0:
        raise FeatureError(
            f"nt_xent expected two tensors (N, D), found {tuple(one.shape)} and "
            f"{tuple(other.shape)}."
        )
    with torch.autocast(one.device.type, enabled=False):  # half precision is too coarse for 1/τ
        rows = torch.cat([one, other])
        rows = functional.normalize(rows.float() if rows.element_size() < 4 else rows, dim=1)
        similar = rows @ rows.mT / temperature
        itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        partners = torch.arange(len(rows), device=rows.device).roll(len(one))
        return functional.cross_entropy(similar.masked_fill(itself, -torch.inf), partners)


def mlp(widths: Sequence[int], *, last: Last = "linear") -> nn.Sequential:
    """Build Linear–BatchNorm–ReLU blocks and a final Linear.

    Args:
        widths: of the input, the hidden layers and the output; hidden Linears have no bias.
        last: what the last Linear carries.

    Returns:
        Module ``(B, widths[0]) → (B, widths[-1])``.

    Raises:
        LossError: fewer than two widths.

    Example:
        >>> [type(layer).__name__ for layer in mlp([8, 16, 4])]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    if len(widths) < 2 or min(widths) < 1:
        raise LossError(f"mlp expected at least two widths >= 1, found {list(widths)}.")
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths[:-1]):
        layers += [nn.Linear(inner, outer, bias=False), nn.BatchNorm1d(outer), nn.ReLU()]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=last == "bias"))
    if last in ("norm", "norm without weights"):
        layers.append(nn.BatchNorm1d(widths[-1], affine=last == "norm"))
    return nn.Sequential(*layers)
