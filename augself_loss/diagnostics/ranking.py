"""Is the predicted embedding nearest to the right view? Ranks among views of the same picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.errors import FeatureError

TIED = 1e-7
"""Cosines that differ by less are equal: one network's features of one view differ by as much."""
AT_ONCE = 2**24
"""Numbers that are compared at a time."""


class Ranks(NamedTuple):
    """Ranks of the right candidates, averaged over all predictions.

    Args:
        mrr: mean reciprocal rank, 1 if all rank first.
        hit1: share that ranks first.
        hit5: share that ranks among the first five.
    """

    mrr: float
    hit1: float
    hit5: float


class Retrieval(NamedTuple):
    """How well predicted embeddings find the right views.

    Args:
        found: the ranks.
        chance: the ranks of guessing among as many candidates.
        candidates: their mean number; equal ones count once.
    """

    found: Ranks
    chance: Ranks
    candidates: float


def rank_predictions(
    predicted: Tensor, candidates: Tensor, distinct: Tensor | None = None
) -> Retrieval:
    """Rank each picture's candidates by their cosine to a prediction of one of them.

    Every candidate is the right one once. Candidates that are equally near share their ranks: the
    result is the mean over all orders that they could have.

    Args:
        predicted: a prediction of every candidate, ``(N, K, D)``, in the candidates' units.
        candidates: embeddings of K views of each of N pictures, ``(N, K, D)``.
        distinct: ``(N, K)``, false for candidates that repeat an earlier one; they are neither
            sought nor found. Default: all true.

    Returns:
        Ranks, and those by chance.

    Raises:
        FeatureError: shapes that do not match, values that are not finite, or nothing to choose
            from: no picture has two distinct candidates.

    Reference:
        Garrido et al., *Self-supervised learning of split invariant equivariant representations*
        (SIE), ICML 2023: MRR and H@k among 50 views of one object; Yu et al. (STL), NeurIPS 2024,
        table 6, for crops and colours.

    Example:
        >>> views = torch.eye(3).expand(2, 3, 3)  # two pictures, three views each
        >>> rank_predictions(views, views).found
        Ranks(mrr=1.0, hit1=1.0, hit5=1.0)
        >>> same_for_all = torch.ones(2, 3, 3)
        >>> rank_predictions(same_for_all, views).found.mrr == (1 + 1 / 2 + 1 / 3) / 3
        True
    """
    present = _checked(predicted, candidates, distinct)
    parts = max(1, AT_ONCE // max(1, candidates.shape[1] * sum(candidates.shape[1:])))
    chunks = (torch.split(each, parts) for each in (predicted, candidates, present))
    found = [_ranks(*chunk) for chunk in zip(*chunks, strict=True)]
    nearer, tied = (torch.cat(each) for each in zip(*found, strict=True))
    counts = present.sum(dim=1, keepdim=True).expand_as(present)[present]
    guessed = _means(torch.zeros_like(counts), counts - 1)
    return Retrieval(_means(nearer, tied), guessed, float(present.sum(dim=1).double().mean()))


def _checked(predicted: Tensor, candidates: Tensor, distinct: Tensor | None) -> Tensor:
    """Refuse what cannot be ranked; say which candidates count."""
    if predicted.ndim != 3 or predicted.shape != candidates.shape:
        raise FeatureError(
            "rank_predictions expected predictions and candidates of shape (N, K, D), found "
            f"{tuple(predicted.shape)} and {tuple(candidates.shape)}."
        )
    every = torch.ones(candidates.shape[:2], dtype=torch.bool, device="cpu")
    present = every if distinct is None else distinct
    if present.shape != candidates.shape[:2] or present.dtype != torch.bool:
        raise FeatureError(
            f"distinct expected a boolean tensor {tuple(candidates.shape[:2])}, found "
            f"{present.dtype} {tuple(present.shape)}."
        )
    for name, values in (("predictions", predicted), ("candidates", candidates)):
        if not bool(values.isfinite().all()):
            raise FeatureError(f"rank_predictions expected finite {name}, found NaN or infinity.")
    if not bool((present.sum(dim=1) > 1).any()):
        raise FeatureError(
            "rank_predictions expected an image with at least two distinct candidates, found "
            "none: nothing varies. Draw more candidates, or leave this type out."
        )
    return present.cpu()


def _ranks(predicted: Tensor, candidates: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Count, for every candidate that counts, how many are nearer to its prediction, or as near."""
    rows = (each.to("cpu", torch.float64) for each in (predicted, candidates))
    ours, theirs = (functional.normalize(each, dim=-1) for each in rows)
    cosines = ours @ theirs.mT
    right = cosines.diagonal(dim1=1, dim2=2).unsqueeze(-1)
    others = present.unsqueeze(1)
    nearer = ((cosines > right + TIED) & others).sum(dim=-1)
    tied = (((cosines - right).abs() <= TIED) & others).sum(dim=-1) - 1  # itself
    return nearer[present], tied[present]


def _means(nearer: Tensor, tied: Tensor) -> Ranks:
    """Average over all ranks from ``nearer + 1`` to ``nearer + tied + 1``, then over rows."""
    first, span = nearer.double(), tied.double() + 1
    ranks = torch.arange(1, int((first + span).max()) + 1, dtype=torch.float64, device="cpu")
    harmonic = functional.pad((1 / ranks).cumsum(0), (1, 0))  # 0, 1, 1 + 1/2, …
    reciprocal = (harmonic[(first + span).long()] - harmonic[first.long()]) / span
    hits = (((k - first) / span).clamp(0, 1).mean() for k in (1, 5))
    return Ranks(float(reciprocal.mean()), *map(float, hits))
