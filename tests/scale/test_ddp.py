"""DDP, the term inside of the wrapped module: what the processes agree on, and what it costs.

Gradients are compared in float64 with those of this one process.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from scale_parts import (
    ROWS,
    Batch,
    State,
    backward,
    batch,
    build,
    distance,
    gradients,
    part,
    share,
)

pytestmark = pytest.mark.processes

Ranks: TypeAlias = list[dict[str, Any]]
EXACT = 1e-14
"""Of gradients of about 0.1: sums in another order."""


def alone(*batches: Batch, frozen: bool = False, **options: Any) -> State:
    """Compute the gradients of the mean loss of some batches in this process."""
    model = build(frozen=frozen)
    backward(model, *batches, **options)
    return gradients(model)


def shares(ranks: Ranks, **options: Any) -> list[Batch]:
    return [share(batch(**options), rank, len(ranks)) for rank in range(len(ranks))]


def test_all_parameters_stay_in_sync(ranks: Ranks) -> None:
    first = ranks[0]["trained"]
    for rank in ranks:
        assert distance(rank["trained"]["final"], first["final"]) == 0
        assert distance(rank["trained"]["initial"], first["initial"]) == 0
    for name, parameter in first["final"].items():
        assert not parameter.equal(first["initial"][name])


def test_gradients_are_those_of_the_whole_batch(ranks: Ranks) -> None:
    """Exactly, where it must hold: batch norm keeps its statistics, all samples count alike."""
    expected = alone(batch(), frozen=True)
    for rank in ranks:
        assert distance(rank["frozen"], expected) < EXACT


def test_gradients_are_those_of_the_whole_batch_with_synchronized_norms(ranks: Ranks) -> None:
    model = build()
    backward(model, batch())
    for rank in ranks:
        assert distance(rank["with_sync_norm"]["gradients"], gradients(model)) < EXACT
        assert distance(rank["with_sync_norm"]["buffers"], dict(model.named_buffers())) < EXACT
    # Without, every process normalizes by its own samples: another loss, as for any batch norm.
    assert distance(alone(*shares(ranks)), gradients(model)) > 1e-3


def test_every_process_averages_over_what_its_own_samples_show(ranks: Ranks) -> None:
    """Saturation and hue of grey pairs do not count, so a process with all of them counts less.

    The gradient is the mean of the processes' own means, as with any masked loss under DDP, and
    the one of the whole batch only for the types that count everywhere.
    """
    grey = ROWS // len(ranks)
    whole = alone(batch(grey=grey), frozen=True)
    means = alone(*shares(ranks, grey=grey), frozen=True)
    for rank in ranks:
        found = rank["grey_on_one_rank"]
        assert distance(found, means) < EXACT
        assert distance(found, whole, "augself.heads.crop") < EXACT
        assert distance(found, whole, "augself.heads.color") > 1e-3


def test_accumulated_gradients_are_those_of_the_whole_batch(ranks: Ranks) -> None:
    expected = alone(batch(), frozen=True)
    for rank in ranks:
        assert distance(rank["accumulated"], expected) < EXACT


def test_last_batches_of_other_sizes(ranks: Ranks) -> None:
    rows = ROWS // len(ranks)
    first, *others = shares(ranks)
    expected = alone(part(first, 0, rows - 3), *others)
    for rank in ranks:
        assert distance(rank["uneven_batch"], expected) < EXACT


def test_grouped_heads_give_the_same_gradients(two: Ranks) -> None:
    """The path of other devices than the CPU."""
    for rank in two:
        assert distance(rank["grouped_heads"]["gradients"], alone(*shares(two))) < EXACT


def test_other_numbers_of_batches(ranks: Ranks) -> None:
    assert [rank["uneven_count"]["steps"] for rank in ranks] == [2 + i for i in range(len(ranks))]
    for rank in ranks:
        assert distance(rank["uneven_count"]["final"], ranks[0]["uneven_count"]["final"]) == 0


def test_types_that_only_one_process_computes(ranks: Ranks) -> None:
    first, *others = shares(ranks)
    model = build()
    (model(*first, types=["crop", "color"]) / len(ranks)).backward()
    for other in others:
        (model(*other, types=["crop"]) / len(ranks)).backward()
    for rank in ranks:
        assert distance(rank["unused_types"], gradients(model)) < EXACT
        assert rank["unused_types"]["augself.heads.color.6.bias"].any()
        assert not rank["unused_types"]["augself.heads.flip.6.bias"].any()


def test_types_that_nobody_computes_are_refused_by_ddp(two: Ranks) -> None:
    for rank in two:
        assert "find_unused_parameters=True" in rank["unused_types_refused"]


def test_a_weight_of_0_uses_every_head(two: Ranks) -> None:
    for rank in two:
        assert not rank["weight_of_zero"]["augself.heads.color.6.bias"].any()
        assert rank["weight_of_zero"]["augself.heads.crop.6.bias"].any()


def test_no_collective_per_type(two: Ranks) -> None:
    for rank in two:
        counted = rank["collectives_by_types"]
        assert counted["six"] == counted["one"]
        # DDP sends the first process's buffers to the others, the heads' averages among them: one
        # call per dtype. Without that the term costs no call at all.
        assert counted["six"] == {"c10d::allreduce_": 1, "c10d::broadcast_": 2}
        assert counted["six, no buffers"] == counted["none"] == {"c10d::allreduce_": 1}
        assert counted["six in FSDP"] == counted["one in FSDP"] != {}
