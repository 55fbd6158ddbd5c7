"""Classification by ridge regression, its strength chosen by leave-one-out, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from transfer.evaluation.at_once import device


def classify(
    x: Tensor, labels: Tensor, other: Tensor, alphas: Sequence[float]
) -> tuple[Tensor, float]:
    """Fit ±1 targets of every class and classify other rows, as scikit-learn's RidgeClassifierCV.

    Args:
        x: rows to fit ``(N, D)``, float64.
        labels: int64 ``(N,)``.
        other: rows to classify ``(M, D)``.
        alphas: strengths to choose from, of equals the first.

    Returns:
        Classes ``(M,)``, on the CPU, and the strength.
    """
    present, places = torch.unique(labels, return_inverse=True)
    x, other, places = (each.to(device()) for each in (x, other, places))
    targets = 2.0 * one_hot(places, len(present)).to(x.dtype) - 1
    mean, middle = x.mean(0), targets.mean(0)
    u, s, vt = torch.linalg.svd(x - mean, full_matrices=False)
    known = u.T @ (targets - middle)
    errors = []
    for alpha in alphas:
        kept = (s.square() / (s.square() + alpha))[:, None]
        # What a row has to say of itself: the intercept's part, and that of the weights.
        leverage = 1 / len(x) + u.square() @ kept
        rest = targets - middle - u @ (kept * known)
        errors.append((rest / (1 - leverage)).square().mean())
    best = float(alphas[int(torch.stack(errors).argmin())])
    weights = vt.T @ ((s / (s.square() + best))[:, None] * known)
    return present[((other - mean) @ weights + middle).argmax(1).cpu()], best
