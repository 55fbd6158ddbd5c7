"""Features that follow a change, that forget it, and that follow it in a way of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss.diagnostics.equivariance import MOST, Predictor, Transformed, equivariance
from augself_loss.errors import FeatureError

TURN = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def made(count: int, views: int, seed: int, kind: str = "turned") -> Transformed:
    """Features that are turned by z, not at all, or by a number of which nobody tells."""
    random = torch.Generator().manual_seed(seed)
    f = torch.randn(count, 3, generator=random)
    z = torch.rand(count, views, 1, generator=random) - 0.5
    secret = torch.rand(count, views, 1, generator=random) - 0.5
    by = {"turned": z, "invariant": torch.zeros_like(z), "secret": secret}[kind]
    moved = f.unsqueeze(1) + by * (f @ TURN).unsqueeze(1)
    return Transformed(f, moved, z, torch.ones(count, views, dtype=torch.bool))


@pytest.mark.parametrize(("predictor", "least"), [("bilinear", 0.95), ("mlp", 0.5)])
def test_features_that_follow_are_found(predictor: Predictor, least: float) -> None:
    result = equivariance(made(600, 1, 0), made(40, 20, 1), predictor=predictor)
    assert result.found.mrr > least
    assert result.chance.hit1 == pytest.approx(0.05)
    assert result.candidates == 20


@pytest.mark.parametrize("kind", ["invariant", "secret"])
def test_others_are_found_by_chance(kind: str) -> None:
    result = equivariance(made(300, 1, 0, kind), made(100, 20, 1, kind))
    tolerance = 1e-9 if kind == "invariant" else 0.02
    assert result.found == pytest.approx(result.chance, abs=tolerance)


def test_several_views_of_a_picture_may_be_fitted_and_doubles_count_once() -> None:
    fit, test = made(60, 5, 0), made(10, 6, 1)
    plain = equivariance(fit, test)
    doubled = Transformed(
        test.features,
        torch.cat([test.views, test.views], dim=1),
        torch.cat([test.parameters, test.parameters], dim=1),
        torch.cat([test.distinct, ~test.distinct], dim=1),
    )
    assert equivariance(fit, doubled) == plain
    spoiled = fit._replace(views=fit.views.clone(), distinct=fit.distinct.clone())
    spoiled.views[:, 4], spoiled.distinct[:, 4] = 1e3, False
    assert equivariance(spoiled, test).found.mrr > 0.9


def test_nothing_is_drawn_from_the_caller() -> None:
    before = torch.get_rng_state()
    first = equivariance(made(50, 1, 0), made(5, 4, 1), predictor="mlp", seed=1)
    assert equivariance(made(50, 1, 0), made(5, 4, 1), predictor="mlp", seed=1) == first
    assert torch.equal(torch.get_rng_state(), before)


FIT, TEST = made(40, 1, 0), made(5, 4, 1)


def other(given: Transformed, **parts: Tensor) -> Transformed:
    return given._replace(**parts)


@pytest.mark.parametrize(
    ("fit", "test", "more", "says"),
    [
        (made(19, 1, 0), TEST, {}, "20 to 20,000 distinct pairs to fit on, found 19"),
        (made(MOST + 1, 1, 0), TEST, {}, "found 20,001"),
        (other(FIT, distinct=~FIT.distinct), TEST, {}, "found 0"),
        (FIT, TEST, {"predictor": "linear"}, "found 'linear'"),
        (other(FIT, features=FIT.features[:9]), TEST, {}, "fit with features .*found .9, 3."),
        (FIT, other(TEST, parameters=TEST.parameters[:, 0]), {}, "test with features"),
        (FIT, other(TEST, distinct=TEST.distinct.float()), {}, "found .*torch.float32"),
        (FIT, other(TEST, parameters=TEST.parameters.repeat(1, 1, 2)), {}, r"found \(3, 1\) and"),
        (
            FIT,
            other(TEST, views=TEST.views / 0),
            {},
            "finite numbers, found NaN or infinity in test",
        ),
        (FIT, made(5, 1, 0), {}, "nothing varies"),
    ],
)
def test_what_does_not_fit_is_refused(
    fit: Transformed, test: Transformed, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(FeatureError, match=says):
        equivariance(fit, test, **more)
