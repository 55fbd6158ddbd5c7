"""Whether neighbours are the nearest by cosine, and are counted rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity
from transfer.data.sets import Fold
from transfer.evaluation.retrieval import retrieval, shown_queries
from transfer.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings.small()


def searched(*rows: int) -> Fold:
    """All other rows are of no importance to retrieval."""
    return Fold(torch.tensor([]).long(), torch.tensor([]).long(), torch.tensor(rows))


def test_by_hand() -> None:
    angles = torch.tensor([0.0, 10.0, 15.0, 30.0, 70.0, 80.0, 95.0]).deg2rad()
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    features *= torch.arange(1, 8)[:, None]  # lengths are of no importance
    labels = torch.tensor([0, 1, 0, 0, 1, 1, 2])
    found = retrieval(features, labels, [searched(*range(7))], settings=SETTINGS)
    # Class 2 has nobody to find. Ranks at which the others find theirs, by angle:
    ranks = [(2, 3), (4, 5), (2, 3), (1, 3), (1, 5), (1, 5)]
    averages = [(1 / a + 2 / b) / 2 for a, b in ranks]
    assert found["n_queries"] == 6
    assert found["mean_average_precision"] == pytest.approx(np.mean(averages))
    assert found["precision@5"] == pytest.approx(2 / 5)


def test_agrees_with_scikit_learn() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (60,), generator=random)
    features = torch.randn(60, 8, generator=random) + torch.eye(4, 8)[labels]
    expected = []
    similar = cosine_similarity(features)
    for row in range(60):
        others = np.arange(60) != row
        same = (labels == labels[row]).numpy()[others]
        expected.append(average_precision_score(same, similar[row][others]))
    found = retrieval(features, labels, [searched(*range(60))], settings=SETTINGS)
    assert found["mean_average_precision"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_searches_the_test_rows_of_all_folds_and_names_rows_of_the_task() -> None:
    labels = torch.arange(40) % 2
    features = torch.eye(2)[labels] + 0.01 * torch.rand(40, 2)
    folds = [searched(*range(30, 20, -1)), searched(*range(10, 20))]
    found = retrieval(features, labels, folds, settings=SETTINGS)
    assert found["n_queries"] == 20
    assert found["precision@5"] == 1.0
    for query, nearest in found["neighbours"].items():
        assert len(nearest) == 5
        assert int(query) not in nearest
        assert {int(query), *nearest} <= {*range(10, 31)} - {20}
        assert {int(labels[row]) for row in nearest} == {int(labels[int(query)])}


def test_shown_queries_are_of_different_classes_and_do_not_depend_on_features() -> None:
    labels = torch.arange(100) // 10
    fold = searched(*range(0, 100, 2))
    shown = shown_queries(labels, [fold], seed=0)
    assert [int(labels[row]) for row in shown] == [0, 3, 6, 9]
    assert set(shown) <= set(fold.test.tolist())
    for seed in (1, 2):
        features = torch.randn(100, 4, generator=torch.Generator().manual_seed(seed))
        found = retrieval(features, labels, [fold], settings=SETTINGS)
        assert list(found["neighbours"]) == [str(row) for row in shown]


def test_many_pictures_are_asked_of_a_part() -> None:
    labels = torch.arange(100) % 2
    settings = replace(SETTINGS, retrieval_queries=10)
    found = retrieval(torch.eye(2)[labels], labels, [searched(*range(100))], settings=settings)
    assert found["n_queries"] == 10
    assert found["mean_average_precision"] == pytest.approx(1.0)
