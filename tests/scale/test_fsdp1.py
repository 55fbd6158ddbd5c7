"""FSDP1 in two processes: the model whole, or its layers, heads or loss wrapped by themselves."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from scale_fsdp1 import PARTS
from scale_parts import build, distance

pytestmark = pytest.mark.processes

Ranks: TypeAlias = list[dict[str, Any]]
FORMS = [f"{name} {kept}" for name in PARTS for kept in (True, False)]


@pytest.mark.parametrize("form", FORMS)
def test_training_is_that_of_ddp(two: Ranks, form: str) -> None:
    for rank in two:
        state = rank["flattened"]["states"][form]
        assert state.keys() == build().state_dict().keys()
        assert distance(state, rank["sharded"]["ddp"], "augself.lambdas") == 0
        assert distance(state, rank["sharded"]["ddp"]) < 1e-14


@pytest.mark.parametrize("form", FORMS)
def test_optimizers_that_hold_flat_parameters_hold_the_heads(two: Ranks, form: str) -> None:
    for rank in two:
        checked = rank["flattened"]["checked"][form]
        assert checked["all"] == ""
        assert "of AugSelf's heads, found" in checked["none"]
        assert "missing (first: heads" in checked["none"]
