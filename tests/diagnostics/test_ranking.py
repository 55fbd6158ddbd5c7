"""Ranks against a slow count over all orders of what is tied, and by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss.diagnostics import ranking
from augself_loss.diagnostics.ranking import Ranks, rank_predictions
from augself_loss.errors import FeatureError


def slowly(predicted: Tensor, candidates: Tensor, distinct: Tensor) -> Ranks:
    """Rank by every order that the candidates could have, one prediction at a time."""
    found = []
    for row, column in distinct.nonzero().tolist():
        places = [k for k in range(candidates.shape[1]) if distinct[row, k]]
        cosines = torch.cosine_similarity(
            predicted[row, column].double(), candidates[row].double(), dim=-1
        )
        ranks = []
        for order in itertools.permutations(places):  # stable: tied ones stay in this order
            nearest = sorted(order, key=lambda k, c=cosines: -round(float(c[k]), 6))  # type: ignore[misc]
            ranks.append(nearest.index(column) + 1)
        r = torch.tensor(ranks).double()
        found.append([(1 / r).mean(), (r <= 1).double().mean(), (r <= 5).double().mean()])
    return Ranks(*torch.tensor(found).mean(0).tolist())


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_ranks_are_those_of_a_slow_count_with_ties_and_doubles() -> None:
    candidates = random(5, 6, 3)
    candidates[0, 1] = candidates[0, 4]
    candidates[1, :4] = 2 * candidates[1, :1]  # as far away by their angle
    candidates[2] = candidates[2, 0]
    predicted = candidates + 0.8 * random(6, 5, 3).transpose(0, 1)
    distinct = torch.ones(5, 6, dtype=torch.bool)
    distinct[3, 2:4] = distinct[4, 1:] = False
    result = rank_predictions(predicted, candidates, distinct)
    assert result.found == pytest.approx(slowly(predicted, candidates, distinct), abs=1e-9)
    assert result.candidates == pytest.approx((6 + 6 + 6 + 4 + 1) / 5)
    assert result.found.hit1 < result.found.mrr < result.found.hit5


@pytest.mark.parametrize("count", [2, 5, 50])
def test_who_predicts_the_same_for_all_guesses(count: int) -> None:
    """Also where the features are the same for all: ties are nobody's luck."""
    candidates = random(300, count, 4)
    expected = (sum(1 / k for k in range(1, count + 1)) / count, 1 / count, min(1, 5 / count))
    by_one_place = rank_predictions(candidates[:, :1].expand_as(candidates), candidates)
    assert by_one_place.chance == pytest.approx(expected)
    assert by_one_place.found == pytest.approx(expected, abs=0.06 if count == 2 else 0.03)
    collapsed = torch.ones(300, count, 4)
    assert rank_predictions(candidates, collapsed).found == pytest.approx(expected)


def test_by_hand() -> None:
    views = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
    asked = torch.tensor([[[3.0, 0.1], [9.0, 1.0], [0.0, 1.0]]])  # first, third, second
    found = rank_predictions(asked, views).found
    assert found == pytest.approx(((1 + 1 / 3 + 1 / 2) / 3, 1 / 3, 1.0))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = random(40, 7, 5)
    predicted = candidates + random(7, 40, 5).transpose(0, 1)
    whole = rank_predictions(predicted, candidates)
    monkeypatch.setattr(ranking, "AT_ONCE", 200)
    assert rank_predictions(predicted, candidates) == whole


def test_half_precision_is_ranked() -> None:
    views = random(4, 6, 8).bfloat16()
    assert rank_predictions(views, views).found == Ranks(1.0, 1.0, 1.0)


VIEWS = torch.rand(2, 3, 4)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((VIEWS, VIEWS[:, :2]), r"\(2, 3, 4\) and \(2, 2, 4\)"),
        ((VIEWS[0], VIEWS[0]), r"predictions and candidates of shape \(N, K, D\)"),
        ((VIEWS, VIEWS, torch.ones(2, 3)), "a boolean tensor .2, 3., found torch.float32"),
        ((VIEWS, VIEWS, torch.ones(3, 3, dtype=torch.bool)), "found torch.bool .3, 3."),
        ((VIEWS / 0, VIEWS), "finite predictions"),
        ((VIEWS, VIEWS / 0), "finite candidates"),
        ((VIEWS, VIEWS, torch.eye(3, dtype=torch.bool)[:2]), "nothing varies"),
        ((VIEWS[:, :1], VIEWS[:, :1]), "nothing varies"),
        ((VIEWS[:0], VIEWS[:0]), "nothing varies"),
    ],
)
def test_what_cannot_be_ranked_is_refused(given: Any, says: str) -> None:
    with pytest.raises(FeatureError, match=says):
        rank_predictions(*given)
