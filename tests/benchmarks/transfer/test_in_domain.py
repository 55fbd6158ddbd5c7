"""Whether the nearest known pictures vote, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transfer.data.sets import Fold
from transfer.evaluation.in_domain import nearest_neighbours, ridge
from transfer.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings.small()
ROWS = torch.arange(300)
FOLD = Fold(ROWS[:150], ROWS[150:200], ROWS[200:])


def test_direction_counts_not_length() -> None:
    labels = ROWS % 3
    lengths = torch.rand(300, 1, generator=torch.Generator().manual_seed(0)) * 10 + 0.1
    assert (
        nearest_neighbours(torch.eye(3)[labels] * lengths, labels, [FOLD], settings=SETTINGS) == 1
    )


def test_shuffled_labels_give_chance() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(300, 8, generator=random)
    labels = torch.randint(0, 2, (300,), generator=random)
    score = nearest_neighbours(features, labels, [FOLD], settings=SETTINGS)
    assert score == pytest.approx(0.5, abs=0.15)


def test_test_rows_do_not_vote() -> None:
    labels = ROWS % 2
    labels[FOLD.test] = 2  # a class that only the test part has
    features = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    assert nearest_neighbours(features, labels, [FOLD], settings=SETTINGS) == 0


def test_few_known_pictures_all_vote() -> None:
    labels = torch.tensor([0, 0, 0, 1, 0, 1])
    few = Fold(torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 5]))
    features = torch.eye(2)[labels]
    assert nearest_neighbours(features, labels, [few], settings=SETTINGS) == 0.5
    one = replace(SETTINGS, neighbours=1)
    assert nearest_neighbours(features, labels, [few], settings=one) == 1


def test_ridge_separates_what_is_separable_and_nothing_else() -> None:
    random = torch.Generator().manual_seed(0)
    labels = ROWS % 3
    apart = torch.eye(3)[labels] + 0.1 * torch.randn(300, 3, generator=random)
    found = ridge(apart, labels, [FOLD])
    assert (found["test"], found["n_test"], found["metric"]) == (1.0, 100, "accuracy")
    shuffled = labels[torch.randperm(300, generator=random)]
    assert ridge(apart, shuffled, [FOLD])["test"] == pytest.approx(1 / 3, abs=0.15)


def test_ridge_never_sees_the_test_part() -> None:
    random = torch.Generator().manual_seed(0)
    labels, features = ROWS % 2, torch.randn(300, 4, generator=random)
    changed = features.clone()
    changed[FOLD.test] = 100 * torch.randn(100, 4, generator=random)
    first, second = (ridge(each, labels, [FOLD]) for each in (features, changed))
    assert first["alpha"] == second["alpha"]
