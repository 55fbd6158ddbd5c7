"""Intervals of scores: as wide as pictures, or groups of them, happen to differ."""

from __future__ import annotations

import numpy as np
import pytest
from _shared.bootstrap import uncertainty

RIGHT = (np.random.RandomState(0).rand(2000) < 0.4).astype(float)


def test_single_pictures_give_the_binomial_error_and_interval() -> None:
    found = uncertainty(RIGHT)
    error = np.sqrt(RIGHT.mean() * (1 - RIGHT.mean()) / len(RIGHT))
    assert found.standard_error == pytest.approx(error, rel=0.1)
    assert found.low == pytest.approx(RIGHT.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(RIGHT.mean() + 1.96 * error, abs=0.2 * error)


def test_pictures_that_stand_and_fall_together_count_once() -> None:
    four_times = RIGHT.repeat(4)
    groups = np.arange(len(RIGHT)).repeat(4)
    assert uncertainty(four_times, groups) == pytest.approx(uncertainty(RIGHT))
    names = np.array([f"picture {group}" for group in groups])
    assert uncertainty(four_times, names).standard_error == pytest.approx(
        uncertainty(RIGHT).standard_error, rel=0.1
    )
    assert uncertainty(four_times).standard_error < 0.6 * uncertainty(RIGHT).standard_error


def test_weights_move_the_mean() -> None:
    found = uncertainty(RIGHT, weights=np.where(RIGHT == 1, 3.0, 1.0))
    mean = 3 * RIGHT.sum() / (3 * RIGHT.sum() + (1 - RIGHT).sum())
    assert found.low < mean < found.high


def test_one_group_says_nothing_of_others() -> None:
    found = uncertainty(RIGHT, np.zeros(len(RIGHT)))
    assert found == pytest.approx((0.0, RIGHT.mean(), RIGHT.mean()))
