"""Gradient accumulation: micro-batches add up to the batch, and nobody calls the heads unchanged.

Batch norm sees micro-batches, so the sums are those of the batch where its statistics are kept.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from scale_parts import Model, backward, batch, build, distance, gradients, share

from augself_loss import with_augself
from augself_loss.wrapper import HeadsUnchangedWarning, WithAugSelf


@pytest.mark.parametrize("count", [2, 6])
def test_micro_batches_add_up_to_the_batch(count: int) -> None:
    whole, summed = build(frozen=True), build(frozen=True)
    backward(whole, batch())
    backward(summed, *[share(batch(), index, count) for index in range(count)])
    assert distance(gradients(summed), gradients(whole)) < 1e-14


def accumulate(model: Model, criterion: WithAugSelf, *, micro: int, steps: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        for index in range(micro):
            x1, x2, *records = share(batch(step), index, micro)
            features = [model.backbone(x) for x in (x1, x2)]
            criterion(*features, features=features, records=records).backward()
        optimizer.step()
        optimizer.zero_grad()


def test_patience_is_above_the_number_of_micro_batches() -> None:
    model = build()
    criterion = with_augself(torch.nn.MSELoss(), model.augself, patience=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HeadsUnchangedWarning)
        accumulate(model, criterion, micro=6, steps=3)


def test_a_shorter_patience_warns_before_the_first_step() -> None:
    model = build()
    criterion = with_augself(torch.nn.MSELoss(), model.augself, patience=4)
    with pytest.warns(HeadsUnchangedWarning, match="unchanged after 4 gradients"):
        accumulate(model, criterion, micro=6, steps=1)
