"""Ridge regression bilinear in features and parameters: these make a matrix that acts on those."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from augself_loss.diagnostics.fitting import Scale, fitted_rows

STRENGTHS: tuple[float, ...] = tuple(10.0 ** (k / 2) for k in range(-6, 3))
"""Strengths of regularization to choose from, as parts of the kernel's mean diagonal."""
AT_ONCE = 4096
"""Rows that are predicted at a time: the kernel of more would be large."""


def fit_bilinear(
    features: Tensor, parameters: Tensor, targets: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Fit f̂ = P(z) f + b(z) with P and b linear in z.

    Solved in closed form by the kernel (1 + f·f′)(1 + z·z′), in float64 on the CPU; memory N²,
    whatever the width.

    Args:
        features: f, ``(N, D)``, N at least 8.
        parameters: z, ``(N, P)``.
        targets: what to predict, ``(N, T)``.

    Returns:
        A function from f ``(M, D)`` and z ``(M, P)`` to predictions ``(M, T)``, float64 on the CPU.
    """
    known, described, wanted = (
        Scale.of(rows, torch.float64) for rows in (features, parameters, targets)
    )
    f, z, y = known.scaled(features), described.scaled(parameters), wanted.scaled(targets)
    kernel = _kernel(f, z, f, z)
    weights = _solve(kernel, y, _chosen(kernel, y))

    def predict(rows: Tensor, their: Tensor) -> Tensor:
        parts = zip(torch.split(rows, AT_ONCE), torch.split(their, AT_ONCE), strict=True)
        found = [_kernel(known.scaled(a), described.scaled(b), f, z) @ weights for a, b in parts]
        return wanted.unscaled(torch.cat(found))

    return predict


def _kernel(f1: Tensor, z1: Tensor, f2: Tensor, z2: Tensor) -> Tensor:
    product: Tensor = (f1 @ f2.T + 1) * (z1 @ z2.T + 1)
    return product


def _chosen(kernel: Tensor, targets: Tensor) -> float:
    """Choose the strength that predicts the held-back rows best."""
    train = fitted_rows(len(kernel))
    known, asked = kernel[:train, :train], kernel[train:, :train]
    errors: dict[float, float] = {}
    for strength in STRENGTHS:
        missed = asked @ _solve(known, targets[:train], strength) - targets[train:]
        errors[strength] = float(missed.square().mean())
    return min(errors, key=lambda strength: errors[strength])


def _solve(kernel: Tensor, targets: Tensor, strength: float) -> Tensor:
    regularized = kernel.clone()
    regularized.diagonal().add_(strength * kernel.diagonal().mean())
    return torch.cholesky_solve(targets, torch.linalg.cholesky(regularized))
