"""Steps of all arms are timed in turn."""

from __future__ import annotations

import pytest

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.config import ARMS
from transfer.objectives import METHODS
from transfer.steps import measure_steps

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", METHODS)
def test_every_arm_takes_steps(method: str) -> None:
    configs = [
        recipes.configure(
            "pack", method, 0, augself=augself, objective=objective, smoke=True,
            overrides={"batch": 8},
        )
        for objective, augself in ARMS.values()
    ]  # fmt: skip
    found = dict(zip(ARMS, measure_steps(configs, rounds=1), strict=True))
    assert found["plain"].ratio == 1
    assert all(cost.milliseconds > 0 for cost in found.values())
    assert all(found["plain"].weights < found[arm].weights for arm in ARMS if arm != "plain")
