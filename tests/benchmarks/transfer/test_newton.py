"""Regressions that are solved at once have scikit-learn's minima."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor
from transfer.data.sets import Fold
from transfer.evaluation import at_once, newton
from transfer.evaluation.few_shot import few_shot
from transfer.evaluation.in_domain import ridge
from transfer.evaluation.linear import linear
from transfer.evaluation.settings import EvaluationSettings

pytestmark = pytest.mark.slow

SKLEARN = replace(EvaluationSettings.small(), values=6, episodes=30)
AT_ONCE = replace(SKLEARN, solver="torch")


def made(classes: int, count: int = 240, dim: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features of some classes, with columns that depend on each other."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, dim, generator=random)
    features = centres[labels] + 1.5 * torch.randn(count, dim, generator=random)
    return features @ torch.randn(dim, dim, generator=random), labels


def split(count: int = 240) -> Fold:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    return Fold(*torch.split(order, [count // 2, count // 4, count // 4]))


@pytest.mark.parametrize("classes", [2, 3, 24])
def test_probabilities_are_scikit_learns(classes: int) -> None:
    features, labels = made(classes)
    x = ((features - features.mean(0)) / features.std(0)).double()
    strengths = SKLEARN.strengths
    decays = torch.tensor([1 / (2 * c) for c in strengths], dtype=torch.float64)
    found = newton.fit(x[None], labels[None], decays, classes, tolerance=1e-8, iterations=60)
    assert found.unconverged == 0
    for strength, logits in zip(strengths, found.logits(x), strict=True):
        model = LogisticRegression(C=strength, tol=1e-7, max_iter=20_000).fit(x, labels)
        expected = model.predict_proba(x)
        np.testing.assert_allclose(logits.softmax(1).numpy(), expected, atol=1e-4)


def test_what_is_cut_short_is_counted_and_every_step_makes_it_better() -> None:
    features, labels = made(5)
    decays = torch.tensor([1.0, 1e-6], dtype=torch.float64)
    losses = []
    for steps in (1, 2, 3):
        given = features.double()[None], labels[None], decays, 5
        found = newton.fit(*given, tolerance=1e-12, iterations=steps)
        assert found.unconverged == 2
        each = [torch.nn.functional.cross_entropy(z, labels) for z in found.logits(given[0][0])]
        losses.append(float(each[1]))
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("choose", ["score", "loss"])
@pytest.mark.parametrize("classes", [2, 7])
def test_the_linear_evaluation_is_the_same(classes: int, choose: str) -> None:
    features, labels = made(classes)
    tight = {"tolerance": 1e-6, "iterations": 5000, "choose": choose}
    found, expected = (
        linear(features, labels, [split()], settings=replace(each, **tight))  # type: ignore[arg-type]
        for each in (AT_ONCE, SKLEARN)
    )
    assert found == expected


def test_a_class_that_was_not_fitted_is_left_out_of_the_loss() -> None:
    features, labels = made(3)
    fold = split()
    labels[fold.val[:5]] = 7
    found, expected = (
        linear(features, labels, [fold], settings=replace(each, tolerance=1e-6))
        for each in (AT_ONCE, SKLEARN)
    )
    assert (found["C"], found["val"]) == (expected["C"], expected["val"])


def test_a_row_that_is_far_off_does_not_choose_alone() -> None:
    features, labels = made(7)
    fold = split()
    features[fold.val[:2]] *= 300
    found, expected = (
        linear(features, labels, [fold], settings=replace(each, tolerance=1e-6))
        for each in (AT_ONCE, SKLEARN)
    )
    assert found == expected
    x = torch.full((4, 1), 1e4, dtype=torch.float64)
    apart = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    path = at_once.path(apart, torch.tensor([0, 1]), [1.0], 2, AT_ONCE)
    wrong = torch.zeros(4, dtype=torch.int64)
    probabilities = path.fitted.logits(x)[0].softmax(1)
    assert path.losses(x, wrong)[0] == pytest.approx(log_loss(wrong, probabilities, labels=[0, 1]))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("dim", [4, 60])
def test_episodes_are_the_same(dim: int, standardize: bool) -> None:
    features, labels = made(9, dim=dim)
    labels = labels * 3 + 1  # any numbers name classes
    found, expected = (
        few_shot(features, labels, settings=replace(each, tolerance=1e-6, standardize=standardize))
        for each in (AT_ONCE, SKLEARN)
    )
    assert set(found) == set(expected)
    for shots, one in found.items():
        other = expected[shots]
        assert one["mean"] == pytest.approx(other["mean"], abs=1e-3)
        assert {**one, "mean": 0, "interval": 0} == {**other, "mean": 0, "interval": 0}


@pytest.mark.parametrize("classes", [2, 40])
@pytest.mark.parametrize("dim", [20, 200])
def test_ridge_classification_is_the_same(classes: int, dim: int) -> None:
    features, labels = made(classes, dim=dim)
    labels = labels * 2 + 5
    found, expected = (
        ridge(features, labels, [split()], solver=solver) for solver in ("torch", "scikit-learn")
    )
    assert found == expected
