"""Steps of all arms are timed in turn."""

from __future__ import annotations

import pytest

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.config import ARMS
from transfer.objectives import METHODS
from transfer.pretraining import assembled
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


def test_the_weights_that_an_arm_adds() -> None:
    trained = {}
    for arm, (objective, augself) in ARMS.items():
        config = recipes.configure("pack", "moco", 0, augself=augself, objective=objective)
        method = assembled(config, classes=2)
        trained[arm] = sum(p.numel() for p in method.parameters() if p.requires_grad)
    added = {arm: number - trained["plain"] for arm, number in trained.items()}
    # Six Linears of 64 with batch norms, of 9 numbers each, and 64 more inputs of the projector.
    assert added["cassle"] == 9 * 64 + 5 * 64 * 64 + 6 * 2 * 64 + 64 * 512
    assert added["cassle-augself"] == added["cassle"] + added["augself"]
    assert 8.6e6 < added["stl"] < 8.8e6, "D² · 128 of it"
    assert 0 < added["essl"] < added["equimod"] < added["augself"]
