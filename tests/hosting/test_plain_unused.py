"""AugSelf in a training loop of one's own: heads and terms that are not used."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from plain_parts import (
    base_loss,
    build,
    images,
    network,
)
from torch import nn

from augself_loss import (
    AugSelf,
    TermUnusedWarning,
)
from augself_loss.heads_watch import HeadsUnchangedWarning


def test_forgotten_heads_are_told() -> None:
    model = network()
    augself = build(model, patience=2)
    with pytest.warns(HeadsUnchangedWarning, match="in the optimizer") as seen:  # noqa: PT031
        for _ in range(4):
            loss = base_loss(model, augself.views(images()))
            (loss + augself.term()).backward()
    assert seen[0].filename == __file__


def unused(model: nn.Module, augself: AugSelf, steps: int, *, use: str = "") -> list[Any]:
    """Run steps that use the term in some way, and return the warnings given."""
    optimizer = torch.optim.SGD([*model.parameters(), *augself.parameters()], lr=1e-3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(steps):
            loss = base_loss(model, augself.views(images()))
            if use:
                term = augself.term()
                loss = loss + term if use == "backward" else loss
            if loss.requires_grad:
                loss.backward()
            optimizer.step()
    return caught


@pytest.mark.parametrize(
    ("use", "says"),
    [
        ("", "expected a call of term() in each step, found none in 3 steps"),
        ("compute", "expected a backward pass through term(), found none in 3 steps"),
    ],
)
def test_a_term_that_is_not_used_is_told_once(use: str, says: str) -> None:
    model = network()
    augself = build(model, patience=3)
    assert not unused(model, augself, 3, use=use)
    (seen,) = unused(model, augself, 9, use=use)
    assert seen.category is TermUnusedWarning
    assert says in str(seen.message)
    assert seen.filename == __file__


@pytest.mark.parametrize("why", ["used", "silent", "evaluation", "no gradient", "begins in time"])
def test_a_term_that_is_used_or_not_wanted_is_not_told(why: str) -> None:
    model = network()
    augself = build(model, patience=3)
    if why == "silent":
        augself.set_weights(dict.fromkeys(augself.weights, 0.0))
        assert not unused(model, augself, 9, use="backward")
    elif why == "begins in time":
        assert not unused(model, augself, 2)
        assert not unused(model, augself, 1, use="backward")
    elif why == "used":
        assert not unused(model, augself, 9, use="backward")
    for part in (model, augself):
        part.train(why != "evaluation")
    with torch.set_grad_enabled(why != "no gradient"):
        assert not unused(model, augself, 9)
