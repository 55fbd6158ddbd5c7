"""Whether settings say what the paper did, and refuse what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transfer.evaluation.settings import EvaluationSettings


def test_paper_tries_45_weight_decays_from_strong_to_weak() -> None:
    strengths = EvaluationSettings.paper().strengths
    decays = 1 / (2 * np.array(strengths))
    assert len(decays) == 45
    np.testing.assert_allclose(np.log10(decays), np.linspace(5, -6, 45), atol=1e-9)


def test_presets_differ_in_cost_alone_and_in_scale() -> None:
    paper, small = EvaluationSettings.paper(), EvaluationSettings.small()
    assert (small.values, small.standardize, small.choose) == (12, True, "loss")
    assert (paper.values, paper.standardize, paper.choose) == (45, False, "score")
    assert (paper.episodes, small.episodes) == (2000, 400)
    for name in ("shots", "ways", "queries", "neighbours", "candidates", "seed"):
        assert getattr(small, name) == getattr(paper, name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": 0},
        {"episodes": 0},
        {"ways": 1},
        {"pairs": 10},
        {"fitted": 19},
        {"ranked": 0},
        {"candidates": 1},
        {"shots": ()},
        {"shots": (0, 1)},
        {"weakest": 0.0},
        {"weakest": 1e6},
    ],
)
def test_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="xpected"):
        EvaluationSettings(**wrong)
