"""torch.nn.SyncBatchNorm for the heads: what converts, and why its equivalent stands in here."""

from __future__ import annotations

import pytest
import torch
from scale_parts import DIM, HIDDEN, SIX, SyncNorm, batch, build, synchronized
from torch import nn

from augself_loss import AugSelfLoss
from augself_loss.grouped import alike


def test_converts_and_keeps_the_state() -> None:
    torch.manual_seed(0)
    plain, augself = (build(SIX).augself for _ in range(2))
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(augself)
    assert isinstance(converted, AugSelfLoss)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in converted.modules())
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in converted.modules()) == 12
    state = converted.state_dict()
    assert list(state) == list(plain.state_dict())
    assert all(tensor.equal(state[name]) for name, tensor in plain.state_dict().items())
    assert converted.weights == plain.weights
    converted.check_optimizer(torch.optim.SGD(converted.parameters(), lr=0.1))


def test_converted_heads_are_evaluated_one_by_one() -> None:
    augself = build().augself
    assert alike(list(augself.heads.values()))
    assert not alike(list(nn.SyncBatchNorm.convert_sync_batchnorm(augself).heads.values()))


def test_computes_the_same_loss_in_one_process() -> None:
    x1, x2, *records = batch()
    plain, converted = build(), build()
    converted.augself = nn.SyncBatchNorm.convert_sync_batchnorm(converted.augself)
    for _ in range(2):
        assert converted(x1, x2, *records).equal(plain(x1, x2, *records))
        plain.eval()
        converted.eval()


@pytest.mark.usefixtures("one_process")
def test_refuses_the_cpu_between_processes() -> None:
    model = nn.SyncBatchNorm.convert_sync_batchnorm(build())
    with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on GPU"):
        model(*batch())


@pytest.mark.usefixtures("one_process")
def test_its_equivalent_computes_the_same() -> None:
    plain, model = build(), build()
    synchronized(model)
    assert sum(isinstance(module, SyncNorm) for module in model.modules()) == 6
    torch.testing.assert_close(model(*batch()), plain(*batch()), rtol=1e-13, atol=0)
    assert model.augself.heads["crop"][0].weight.shape == (HIDDEN, 2 * DIM)
