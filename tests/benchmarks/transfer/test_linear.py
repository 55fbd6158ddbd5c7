"""Whether the linear evaluation is the one it says: chosen on val, refitted, scored on test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import cross_entropy
from transfer.data.sets import Fold
from transfer.evaluation.folds import score
from transfer.evaluation.linear import linear
from transfer.evaluation.logistic import fit, regression
from transfer.evaluation.settings import EvaluationSettings

pytestmark = pytest.mark.slow

SETTINGS = replace(EvaluationSettings.small(), values=6, tolerance=1e-6, iterations=5000)


def made(noise: float, count: int = 240, dim: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features of three classes around their centres, of very unequal columns."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.randn(3, dim, generator=random)
    features = centres[labels] + noise * torch.randn(count, dim, generator=random)
    return features * torch.logspace(-2, 2, dim) + 3, labels


def split(count: int = 240) -> Fold:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    return Fold(*torch.split(order, [count // 2, count // 4, count // 4]))


def test_separable_classes_are_told_apart() -> None:
    found = linear(*made(noise=0.01), [split()], settings=SETTINGS)
    assert found["test"] == found["val"] == 1.0
    assert found["n_test"] == 60


def test_of_equals_the_strongest_regularization_is_chosen_and_an_end_is_told() -> None:
    settings = replace(SETTINGS, weakest=1e-3, strongest=1.0, choose="score")
    found = linear(*made(noise=0.01), [split()], settings=settings)
    assert found["C"] == [settings.strengths[0]]
    assert found["at_edge"] == 1


def test_shuffled_labels_give_chance() -> None:
    features, labels = made(noise=0.01, count=1200)
    shuffled = labels[torch.randperm(1200, generator=torch.Generator().manual_seed(2))]
    found = linear(features, shuffled, [split(1200)], settings=SETTINGS)
    assert found["test"] == pytest.approx(1 / 3, abs=0.09)  # 3 standard errors of 300


@pytest.mark.parametrize("choose", ["score", "loss"])
@pytest.mark.parametrize("standardize", [True, False])
def test_is_what_a_naive_search_finds(standardize: bool, choose: Any) -> None:
    features, labels = made(noise=1.5)
    if not standardize:
        features = (features - 3) / torch.logspace(-2, 2, 6)
    fold, settings = split(), replace(SETTINGS, standardize=standardize, choose=choose)
    x, y = features.double().numpy(), labels.numpy()
    train, val, test = (part.numpy() for part in fold)

    def naive(strength: float) -> Any:
        steps = [StandardScaler()] if standardize else []
        return make_pipeline(*steps, LogisticRegression(C=strength, tol=1e-6, max_iter=5000))

    models = [naive(c).fit(x[train], y[train]) for c in settings.strengths]
    on_val = [model.score(x[val], y[val]) for model in models]
    losses = [log_loss(y[val], model.predict_proba(x[val])) for model in models]
    place = int(np.argmax(on_val) if choose == "score" else np.argmin(losses))
    best = settings.strengths[place]
    both = np.concatenate([train, val])
    expected = naive(best).fit(x[both], y[both]).score(x[test], y[test])

    found = linear(features, labels, [fold], settings=settings)
    assert found["C"] == [best]
    assert found["val"] == pytest.approx(on_val[place])
    assert found["test"] == pytest.approx(expected)
    assert len(set(on_val)) > 1  # else the choice would not matter


def test_test_rows_change_no_choice() -> None:
    features, labels = made(noise=1.5)
    fold = split()
    found = linear(features, labels, [fold], settings=SETTINGS)
    features[fold.test] = 1e3 * torch.randn(60, 6)
    labels[fold.test] = (labels[fold.test] + 1) % 3
    other = linear(features, labels, [fold], settings=SETTINGS)
    assert (other["C"], other["val"]) == (found["C"], found["val"])
    assert other["test"] != found["test"]


def test_a_class_that_was_not_fitted_changes_no_choice() -> None:
    features, labels = made(noise=1.5)
    fold = split()
    stranger = labels.clone()
    stranger[fold.val[:5]] = 3
    without = Fold(fold.train, fold.val[5:], fold.test)
    chosen = [linear(features, y, [f], settings=SETTINGS)["C"]
              for y, f in ((stranger, fold), (labels, without))]  # fmt: skip
    assert chosen[0] == chosen[1]


def test_folds_weigh_as_much_as_they_test() -> None:
    features, labels = made(noise=1.5)
    order = torch.arange(240)
    folds = [
        Fold(order[60:180], order[180:], order[:60]),
        Fold(order[:120], order[120:220], order[220:]),
    ]
    found = linear(features, labels, folds, settings=SETTINGS)
    first, second = found["folds"]
    assert found["test"] == pytest.approx((60 * first + 20 * second) / 80)
    assert (len(found["C"]), found["n_test"]) == (2, 80)


def test_mean_per_class_averages_recalls_of_classes_that_occur() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 3]), np.array([0, 0, 2, 3, 3])
    assert score("accuracy", labels, predicted) == pytest.approx(3 / 5)
    assert score("mean_per_class", labels, predicted) == pytest.approx((2 / 3 + 0 + 1) / 3)
    with pytest.raises(ValueError, match="mean_per_class"):
        score("top1", labels, predicted)


def test_fits_that_are_cut_short_are_counted_not_warned_of() -> None:
    features, labels = made(noise=1.5)
    found = linear(features, labels, [split()], settings=replace(SETTINGS, iterations=1))
    assert 0 < found["unconverged"] <= SETTINGS.values + 1
    assert linear(features, labels, [split()], settings=SETTINGS)["unconverged"] == 0


def test_weight_decay_is_that_of_the_summed_objective() -> None:
    """Σ cross-entropy + w Σ weight², minimized by PyTorch, is scikit-learn's with C = 1 / 2w."""
    features, labels = made(noise=1.0, count=60)
    x = ((features - features.mean(0)) / features.std(0)).double()
    decay = 2.0
    weight = torch.zeros(3, 6, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        fitted = cross_entropy(x @ weight.T + bias, labels, reduction="sum")
        loss = fitted + decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    one = EvaluationSettings(values=1, strongest=decay, weakest=decay, tolerance=1e-8)
    model = regression(one, 3, one.strengths[0])
    assert fit(model, x.numpy(), labels.numpy()) == 0
    np.testing.assert_allclose(model.coef_, weight.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("metric", ["accuracy", "mean_per_class"])
def test_the_standard_error_is_that_of_other_test_pictures(metric: str) -> None:
    features, labels = made(noise=2.0, count=2400)
    fold = split(2400)
    found = linear(features, labels, [fold], metric=metric, settings=SETTINGS)
    p = found["test"]
    assert 0.4 < p < 0.95
    assert found["standard_error"] == pytest.approx((p * (1 - p) / 600) ** 0.5, rel=0.15)


def test_what_is_tested_twice_or_in_groups_counts_once() -> None:
    features, labels = made(noise=2.0, count=2400)
    fold = split(2400)
    once = linear(features, labels, [fold], settings=SETTINGS)["standard_error"]
    twice = linear(features, labels, [fold, fold], settings=SETTINGS)
    assert twice["standard_error"] == pytest.approx(once)
    few = linear(features, labels, [fold], groups=torch.arange(2400) // 800, settings=SETTINGS)
    assert few["standard_error"] != pytest.approx(once, rel=0.05)
