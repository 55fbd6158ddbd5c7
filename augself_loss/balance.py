"""How much each term weighs beside the base loss: what its λ amounts to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from augself_loss.errors import FeatureError, LossError
from augself_loss.views import Features, tensors_in

SCALES = (2.0**15, 2.0**10, 2.0**5, 1.0)
"""What a loss is multiplied by while its gradient is measured; float16 holds all of them."""


def gradient_ratios(
    base: Tensor, terms: Mapping[str, Tensor], features: Sequence[Features]
) -> dict[str, float]:
    """Compare each term's gradient at the features with that of the base loss.

    The same λ weighs differently with each method: the ratio at λ = 1 was 0.9 for colour with
    SimSiam's loss and 0.1 with SimCLR's (``benchmarks/transfer/FINDINGS.md``). Measure on a few
    batches after some training, before ``backward``: a weight amounts to λ_a · ratio.

    Args:
        base: your own loss, a scalar with its graph.
        terms: type name → L_a, unweighted, with their graph: ``Output.terms``.
        features: what both were computed from, ``(B, D)`` each, or dicts of several depths.
            Detached ones, such as a momentum encoder's, do not count.

    Returns:
        Type name → ‖∂L_a/∂f‖ / ‖∂L_base/∂f‖, over all features together. The parameters' gradients
        stay unchanged, and the graphs remain usable.

    Raises:
        LossError: no term, or a loss that is no scalar, or whose gradient at the features is
            missing or not finite.
        FeatureError: no feature has a gradient.

    Example:
        >>> from augself_loss import AugSelfLoss, gradient_ratios
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> f1, f2 = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
        >>> record = {"flip": torch.zeros(4, 1)}
        >>> base = -torch.cosine_similarity(f1, f2).mean()
        >>> ratios = gradient_ratios(base, augself(f1, f2, record, record).terms, [f1, f2])
        >>> list(ratios)
        ['flip']
    """
    trained = [f for f in tensors_in(features) if f.requires_grad]
    if not trained:
        raise FeatureError(
            "gradient_ratios expected the features that the losses were computed from, found none "
            "with a gradient. Pass the same tensors, outside of torch.no_grad()."
        )
    if not terms:
        raise LossError(
            "gradient_ratios expected at least one term, found none. Pass augself(...).terms."
        )
    own = _norm("base", base, trained)
    if own == 0:
        raise LossError(
            "gradient_ratios expected a base loss with a gradient at the features, found zero. "
            "Pass the features that it was computed from, before the projector."
        )
    return {name: _norm(f"terms[{name!r}]", term, trained) / own for name, term in terms.items()}


def _norm(name: str, loss: Tensor, features: Sequence[Tensor]) -> float:
    _check_loss(name, loss)
    (norm,) = gradient_norms([loss], features)
    if not math.isfinite(norm):
        raise LossError(
            f"gradient_ratios expected a finite gradient of {name} at the features, found norm "
            f"{norm}. Check the features and the loss for NaN and infinity."
        )
    return norm


def gradient_norms(
    losses: Sequence[Tensor],
    features: Sequence[Tensor],
    together: Callable[[Tensor], Tensor] = lambda norms: norms,
) -> list[float]:
    """Compute every loss's ‖∂loss/∂f‖ over all features together.

    A loss is multiplied by a power of two for its backward pass, and the norm divided by it: in
    float16 its gradient would else underflow, as in training without a scaler. It is the first of
    ``SCALES`` with which nothing overflows; norms in other dtypes are the same to the last bit.

    Args:
        losses: scalars with their graphs, which are kept.
        features: what they are differentiated by.
        together: makes of all norms, ``(losses,)``, those over all processes.

    Returns:
        A norm per loss; not finite where that without a scale is not.
    """
    found = [math.nan] * len(losses)
    left = list(range(len(losses)))
    for scale in SCALES:
        norms = together(torch.stack([_scaled(losses[i], features, scale) for i in left])).tolist()
        for place, norm in zip(left, norms, strict=True):
            found[place] = norm
        left = [place for place in left if not math.isfinite(found[place])]  # alike everywhere
        if not left:
            break
    return found


def _scaled(loss: Tensor, features: Sequence[Tensor], scale: float) -> Tensor:
    """Compute ‖∂loss/∂f‖ by way of a multiple, a float32 scalar on the features' device."""
    seed = torch.full_like(loss, scale)
    gradients = torch.autograd.grad(loss, features, seed, retain_graph=True, allow_unused=True)
    norms = [g.detach().float().norm() for g in gradients if g is not None]
    if not norms:
        return features[0].new_zeros((), dtype=torch.float32)
    norm: Tensor = torch.stack(norms).norm() / scale
    return norm


def _check_loss(name: str, loss: Tensor) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        raise LossError(
            f"gradient_ratios expected {name} as a scalar tensor with a gradient, found "
            f"{described(loss)}. Call it before backward(), on losses that are not detached."
        )


def described(loss: object) -> str:
    """Say what was given as a loss, for an error."""
    if not isinstance(loss, Tensor):
        return type(loss).__name__
    if loss.numel() != 1:
        return f"shape {tuple(loss.shape)}"
    return "a tensor without a gradient"
