"""FSDP2 in two processes: the heads sharded with the model, or as a child of their own."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import torch
from scale_parts import build, distance

pytestmark = pytest.mark.processes

Ranks: TypeAlias = list[dict[str, Any]]
WAYS = ("heads", "single_heads", "loss", "root")


@pytest.mark.parametrize("way", WAYS)
def test_training_is_that_of_ddp(two: Ranks, way: str) -> None:
    for rank in two:
        # The buffers too: no process sends its own to the others here.
        assert distance(rank["sharded"]["ways"][way]["state"], rank["sharded"]["ddp"]) < 1e-14


def test_grouped_heads_train_alike(two: Ranks) -> None:
    """The path of other devices than the CPU."""
    for rank in two:
        assert distance(rank["grouped_heads"]["fsdp"], rank["sharded"]["ddp"]) < 1e-14


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_state_has_plain_names_and_resumes(two: Ranks, way: str) -> None:
    for rank in two:
        found = rank["sharded"]["ways"][way]
        plain = build(seed=2)
        assert list(found["state"]) == list(plain.state_dict())
        plain.load_state_dict(found["state"])
        assert (
            plain.augself.weights == found["weights"] == {"crop": 0.5, "color": 0.5, "flip": 0.25}
        )
        went_on, resumed = found["resumed"]
        assert distance(resumed, went_on) == 0
        assert distance(resumed, found["state"], "augself.heads") > 0


def test_all_processes_hold_one_model(two: Ranks) -> None:
    parameters = [name for name, _ in build().named_parameters()]
    for way in WAYS:
        one, other = (rank["sharded"]["ways"][way]["state"] for rank in two)
        assert all(one[name].equal(other[name]) for name in parameters)


def test_optimizers_hold_the_shards(two: Ranks) -> None:
    for rank in two:
        assert rank["sharded"]["checked"]["after"] == ""
        assert "of AugSelf's heads, found 24 missing" in rank["sharded"]["checked"]["before"]


def test_a_loss_wrapped_after_sharding_tells_forgotten_heads(two: Ranks) -> None:
    for rank in two:
        assert rank["sharded"]["warned"][False] == []
        assert "found them unchanged" in rank["sharded"]["warned"][True][0]


def test_predictions_outside_of_forward(two: Ranks) -> None:
    for rank in two:
        found = rank["sharded"]["predicted"]
        assert "register_fsdp_forward_method(augself, 'predict')" in found["refused"]
        for way in ("heads", "loss"):
            torch.testing.assert_close(found[way], found["plain"])


def test_mixed_precision_casts_the_records_unless_told_not_to(two: Ranks) -> None:
    for rank in two:
        found = rank["sharded"]["record dtypes"]
        assert found == {True: torch.bfloat16, False: torch.float32}
