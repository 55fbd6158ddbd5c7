"""Objectives in a training loop of one's own: what is added is what they say by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from plain_step_parts import (
    DIM,
    OBJECTIVES,
    augself,
    equimod,
    images,
    network,
    recorder,
)
from torch import nn
from torch.nn.functional import cosine_similarity

from augself_loss import AugSelf, LossError, PlainStep
from augself_loss.heads_watch import HeadsUnchangedWarning
from augself_loss.objectives import (
    ESSL,
    Condition,
    ConditionedProjector,
)
from augself_loss.recording.multiview import split_views


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_step_is_that_of_features_and_records_by_hand(name: str) -> None:
    build, third = OBJECTIVES[name]
    model, made = network(), recorder(third)
    torch.manual_seed(3)
    step = PlainStep(model, made, build(), taps="0", third=2 if third else None)
    by_hand = copy.deepcopy(step.objective)
    torch.manual_seed(4)
    given = step.views(images())
    assert len(given) == 2
    base = cosine_similarity(*(model(view) for view in given)).mean()
    term = step.term()
    torch.manual_seed(4)
    views, records = split_views(made(images()), made.layout)
    features = [model[0](view) for view in views[:2]]
    beside = {}
    if third:
        prepare: Any = by_hand.prepare  # type: ignore[union-attr]
        beside = {"third": model[0](prepare(views[2]))}
    out = by_hand(features, records[:2], **beside)  # type: ignore[misc]
    assert torch.equal(term, out.total)
    assert step.logged.keys() == {"total", *out.terms}
    optimizer = torch.optim.SGD([*model.parameters(), *step.parameters()], lr=0.1)
    step.check_optimizer(optimizer)
    (base + term).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in step.parameters())
    with pytest.raises(LossError, match=r"views = step\.views\(batch\)"):
        step.term()


def test_of_augself_it_is_what_augself_is() -> None:
    terms = []
    for cls in (AugSelf, PlainStep):
        model = network()
        torch.manual_seed(3)
        options: Any = {"weights": {"crop": 1.0}, "hidden_dim": 8, "feature_dim": DIM}
        given = options if cls is AugSelf else {"objective": augself()}
        step: Any = cls(model, recorder(), **given, taps="0")
        torch.manual_seed(4)
        for view in step.views(images()):
            model(view)
        terms.append(step.term())
    assert torch.equal(*terms)


def test_networks_that_never_learn_are_told() -> None:
    model = network()
    step = PlainStep(
        model, recorder(third=4), ESSL(DIM, hidden_dims=[16]), taps="0", third=2, patience=2
    )

    def train() -> None:
        for _ in range(4):
            loss: Any = sum(model(view).square().mean() for view in step.views(images()))
            (loss + step.term()).backward()

    with pytest.warns(HeadsUnchangedWarning):
        train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(
        LossError, match=r"ESSL's networks, found 6 missing \(first: head\.0\.weight;"
    ):
        step.check_optimizer(optimizer)
    step.join(optimizer)
    step.check_optimizer(optimizer)


@pytest.mark.parametrize(
    ("model", "objective", "error"),
    [
        (nn.Linear, None, "PlainStep expected your model"),
        (network(), None, "PlainStep without an objective expected a ConditionedProjector"),
        (
            network(),
            nn.Linear(2, 2),
            "AugSelfLoss or another objective, found Linear",
        ),
        (network(), equimod(), "EquiMod expected a view of its own"),
        (
            network(),
            ConditionedProjector(nn.Linear(8 + 64, 4), Condition(recorder().encoders), DIM),
            "found ConditionedProjector. It takes the projector's place .* pass None",
        ),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, objective: Any, error: str) -> None:
    with pytest.raises(LossError, match=error):
        PlainStep(model, recorder(), objective, taps="0")
