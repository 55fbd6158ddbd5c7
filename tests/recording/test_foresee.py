"""What a transform draws from a global generator is said beforehand, and proved afterwards."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.recording.foresee import NUMPY, PYTHON, Source, foreseen

UNIFORM: dict[str, tuple[Source, Callable[[], float], Callable[[int], None]]] = {
    "python": (PYTHON, random.random, random.seed),
    "numpy": (NUMPY, np.random.random_sample, np.random.seed),
}


class Shift:
    """Adds numbers, ``times`` of them; the image is a number too."""

    def __init__(self, uniform: Callable[[], float], times: int) -> None:
        self.uniform, self.times = uniform, times

    def __call__(self, image: float) -> float:
        return image + sum(self.uniform() for _ in range(self.times))


def draw(_shift: Shift, generator: Any) -> Columns:
    return (generator.random() if hasattr(generator, "random") else generator.random_sample(),)


@pytest.mark.parametrize("name", UNIFORM)
def test_columns_are_those_that_the_transform_draws(name: str) -> None:
    source, uniform, seed = UNIFORM[name]
    shift = Shift(uniform, times=1)
    seed(0)
    alone = shift(1.0)
    following = uniform()
    seed(0)
    view, columns = foreseen(shift, 1.0, draw, source, "version 1")
    assert view == alone
    assert columns == pytest.approx((view - 1.0,))
    assert uniform() == following  # the global generator was drawn from once


@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("name", UNIFORM)
def test_a_transform_that_draws_more_or_less_is_refused(name: str, times: int) -> None:
    source, uniform, _ = UNIFORM[name]
    with pytest.raises(
        PipelineError, match="'Shift' to draw the random numbers that it draws in version 1"
    ):
        foreseen(Shift(uniform, times), 1.0, draw, source, "version 1")
