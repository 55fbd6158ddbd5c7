"""Equivariance of frozen features: do a change's parameters predict how the features change?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from augself_loss.diagnostics.bilinear import fit_bilinear
from augself_loss.diagnostics.mlp import fit_mlp
from augself_loss.diagnostics.ranking import Retrieval, rank_predictions
from augself_loss.errors import FeatureError

Predictor: TypeAlias = Literal["bilinear", "mlp"]
"""How view 2's features are predicted from view 1's and the parameters."""
FEWEST, MOST = 20, 20_000
"""Pairs to fit on; the bilinear predictor's kernel of more takes over 3 GB."""


class Transformed(NamedTuple):
    """Features of pictures, and of other views of them that differ in one type of augmentation.

    Args:
        features: view 1's, for N pictures, ``(N, D)``.
        views: those of K other views of each, ``(N, K, D)``.
        parameters: how these differ from view 1, ``(N, K, P)``: the type's differences 1→2.
        distinct: ``(N, K)``, false where a view repeats the parameters of an earlier one.
    """

    features: Tensor
    views: Tensor
    parameters: Tensor
    distinct: Tensor


def equivariance(
    fit: Transformed, test: Transformed, *, predictor: Predictor = "bilinear", seed: int = 0
) -> Retrieval:
    """Predict views' features from view 1's and the parameters; find the views by them.

    A predictor is fitted on some pictures. For each view of other pictures, its prediction is
    compared with all views of the same picture: is the right one the nearest? Features that forget
    a change put all views in one place, so none can be found; features that change in a way of
    each picture's own cannot be predicted. View 1 is no candidate.

    ``bilinear`` is SIE's predictor, a matrix linear in the parameters (STL generates its own from
    the pair of features instead), here by ridge regression. It finds more than ``mlp``, which
    takes features and parameters side by side, as EquiMod does.

    Args:
        fit: pictures to fit the predictor on; one view of each is enough.
        test: other pictures, of the same type. The papers take 50 views.
        predictor: ``bilinear`` or ``mlp``.
        seed: the MLP's.

    Returns:
        Mean reciprocal rank, Hit@1 and Hit@5, and the same by chance.

    Raises:
        FeatureError: shapes that do not fit together, values that are not finite, fewer than 20
            distinct pairs to fit on or more than 20,000, or views that are all the same.

    Reference:
        Garrido et al. (SIE), ICML 2023; Yu et al. (STL), NeurIPS 2024, table 6; Devillers and
        Lefort (EquiMod), ICLR 2023.

    Example:
        >>> def turned(count: int, views: int) -> Transformed:  # features that turn by z
        ...     f, z = torch.randn(count, 2), torch.rand(count, views, 1)
        ...     turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        ...     moved = f.unsqueeze(1) + z * (f @ turn).unsqueeze(1)
        ...     return Transformed(f, moved, z, torch.ones(count, views, dtype=torch.bool))
        >>> result = equivariance(turned(100, 1), turned(10, 50))
        >>> result.found.hit1 > 0.9, round(result.chance.hit1, 2)
        (True, 0.02)
    """
    _check(fit, test, predictor)
    features, parameters, views = _pairs(fit, fit.distinct)
    predict = _fitted(features, parameters, views, predictor, seed)
    every = torch.ones_like(test.distinct)
    seen, asked, _ = _pairs(test, every)
    predicted = predict(seen, asked).view(test.views.shape)
    return rank_predictions(predicted, test.views, test.distinct)


def _pairs(given: Transformed, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """List view 1, parameters and view 2 of the chosen views, a row each."""
    first = given.features.unsqueeze(1).expand_as(given.views)
    return first[chosen], given.parameters[chosen], given.views[chosen]


def _fitted(
    features: Tensor, parameters: Tensor, views: Tensor, predictor: Predictor, seed: int
) -> Callable[[Tensor, Tensor], Tensor]:
    if predictor == "bilinear":
        return fit_bilinear(features, parameters, views)
    predict = fit_mlp(torch.cat([features, parameters], dim=1), views, dropout=0.0, seed=seed)
    return lambda seen, asked: predict(torch.cat([seen, asked], dim=1))


def _check(fit: Transformed, test: Transformed, predictor: str) -> None:
    if predictor not in ("bilinear", "mlp"):
        raise FeatureError(f"predictor expected 'bilinear' or 'mlp', found {predictor!r}.")
    for name, given in (("fit", fit), ("test", test)):
        _check_shapes(name, given)
    ends = [(given.views.shape[-1], given.parameters.shape[-1]) for given in (fit, test)]
    if ends[0] != ends[1]:
        raise FeatureError(
            "equivariance expected fit and test with the same widths of features and parameters, "
            f"found {ends[0]} and {ends[1]}. Make both with the same network and recorder."
        )
    pairs = int(fit.distinct.sum())
    if not FEWEST <= pairs <= MOST:
        raise FeatureError(
            f"equivariance expected {FEWEST} to {MOST:,} distinct pairs to fit on, found "
            f"{pairs:,}. Take other images, or other views of each."
        )


def _check_shapes(name: str, given: Transformed) -> None:
    rows, width = given.views.shape[:2], given.views.shape[-1]
    fits = (
        given.views.ndim == given.parameters.ndim == 3
        and given.features.shape == (rows[0], width)
        and given.parameters.shape[:2] == given.distinct.shape == rows
        and given.distinct.dtype == torch.bool
    )
    if not fits:
        raise FeatureError(
            f"equivariance expected {name} with features (N, D), views (N, K, D), parameters (N, "
            "K, P) and boolean distinct (N, K), found "
            f"{', '.join(str(tuple(each.shape)) for each in given)} and {given.distinct.dtype}. "
            "Make it with transformed(...)."
        )
    if not all(bool(each.isfinite().all()) for each in given):
        raise FeatureError(
            f"equivariance expected finite numbers, found NaN or infinity in {name}."
        )
