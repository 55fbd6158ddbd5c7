"""Activation checkpointing around the backbone and around the loss: the same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scale_parts import Model, batch, build, distance, gradients
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import augself_loss.heads
from augself_loss import FeatureError


@pytest.fixture(params=[False, True], ids=["one by one", "grouped"], autouse=True)
def _path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU heads are evaluated one by one, elsewhere as one."""
    monkeypatch.setattr(augself_loss.heads, "launches_cost", lambda _: request.param)


class Checkpointed(nn.Module):
    """Computes a module again for the backward pass instead of keeping what it computed."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return checkpoint(self.module, *args, use_reentrant=False, **kwargs)


def step(*names: str) -> tuple[Tensor, Model, dict[str, Tensor]]:
    """Compute loss and gradients with some of the model's children checkpointed."""
    model = build()
    plain = {name: getattr(model, name) for name in names}
    for name, module in plain.items():
        setattr(model, name, Checkpointed(module))
    loss = model(*batch())
    loss.backward()
    for name, module in plain.items():
        setattr(model, name, module)
    return loss, model, gradients(model)


@pytest.mark.parametrize("names", [("backbone",), ("augself",), ("backbone", "augself")])
def test_gradients_are_the_same(names: tuple[str, ...]) -> None:
    plain, _, expected = step()
    loss, _, found = step(*names)
    assert loss.equal(plain)
    assert distance(found, expected) == 0


def averages(model: Model) -> dict[str, Tensor]:
    return {n: b for n, b in model.augself.named_buffers() if "running" in n}


def test_a_checkpointed_backbone_leaves_the_heads_averages_alone() -> None:
    _, plain, _ = step()
    _, model, _ = step("backbone")
    assert distance(averages(model), averages(plain)) == 0


def test_a_checkpointed_loss_updates_its_averages_twice() -> None:
    """As with any batch norm that is computed twice: by 0.19 of the way to the batch, not 0.1."""
    _, plain, _ = step()
    _, model, _ = step("augself")
    heads = zip(plain.augself.heads.values(), model.augself.heads.values(), strict=True)
    for once, twice in heads:
        for place in (1, 4):
            torch.testing.assert_close(
                twice[place].running_mean, 1.9 * once[place].running_mean, rtol=1e-12, atol=0
            )
            assert twice[place].num_batches_tracked == 2


def test_values_are_looked_at_all_the_same() -> None:
    model = build()
    model.augself = Checkpointed(model.augself)
    x1, *others = batch()
    with pytest.raises(FeatureError, match="NaN"):
        model(x1 * float("nan"), *others)
