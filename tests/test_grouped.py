"""Grouped heads give what the heads give one by one, averages of batch norm included."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from augself_loss import heads as module
from augself_loss.grouped import alike
from augself_loss.heads import Heads

WIDTHS = {"crop": 4, "flip": 1, "rotation": 4, "blur": 1}
PAIRS = [(0, 1), (1, 0), (0, 2)]


def built() -> Heads:
    torch.manual_seed(0)
    return Heads(6, WIDTHS, 8).double()


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "launches_cost", lambda _: True)


@pytest.mark.usefixtures("force")
@pytest.mark.parametrize("types", [None, ["flip", "crop"]])
@pytest.mark.parametrize("train", [True, False])
def test_it_is_what_the_heads_give(
    types: list[str] | None, train: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = built().train(train), built().train(train)
    views = list(torch.randn(3, 7, 6, dtype=torch.double))
    for _ in range(2):  # the averages of the first call matter to the second
        together = ours(views, PAIRS, types)
        with monkeypatch.context() as each:
            each.setattr(module, "launches_cost", lambda _: False)
            apart = theirs(views, PAIRS, types)
        assert list(together) == list(apart)
        for name in apart:
            torch.testing.assert_close(together[name], apart[name])
    for outputs in (together, apart):
        sum(out.square().sum() for out in outputs.values()).backward()  # type: ignore[union-attr]
    for name, a in ours.named_parameters():
        torch.testing.assert_close(a.grad, theirs.get_parameter(name).grad)
    for name, a in ours.state_dict().items():
        torch.testing.assert_close(a, theirs.state_dict()[name])


def test_what_is_alike() -> None:
    heads = built()
    assert alike(list(heads.values()))
    assert not alike([heads["crop"]]), "one head alone is its own group"
    frozen = copy.deepcopy(heads)
    frozen["flip"].eval()
    assert not alike(list(frozen.values()))
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(heads))
    assert not alike(list(synced.values()))
