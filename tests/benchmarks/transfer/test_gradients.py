"""How much the term weighs is in proportion to λ, for every method."""

from __future__ import annotations

import pytest

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.config import METHODS
from transfer.data import pack_setting
from transfer.gradients import trained_ratios

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", METHODS)
def test_ratios_grow_with_the_weights(method: str) -> None:
    setting = pack_setting.load(40, 100)
    found = []
    for weight in (1.0, 4.0):
        given = {"types": {"crop": weight, "color": weight}, "batch": 64, "precision": "32-true"}
        config = recipes.configure("pack", method, 0, augself=True, smoke=True, overrides=given)
        found.append(trained_ratios(config, setting, quiet=True))
    # One batch: it is measured before anything was trained.
    for name in ("crop", "color", "total"):
        assert found[1][name] == pytest.approx(4 * found[0][name], rel=1e-3)
        assert found[0][name] > 0
