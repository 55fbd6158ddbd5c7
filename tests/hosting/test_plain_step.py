"""Objectives in a training loop of one's own: what is added is what they say by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from augself_loss import AugSelf, AugSelfLoss, FeatureError, LossError, PlainStep, RecordError
from augself_loss.heads_watch import HeadsUnchangedWarning
from augself_loss.objectives import (
    ESSL,
    STL,
    Condition,
    ConditionedProjector,
    EquiMod,
    Objectives,
    mlp,
)
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views

DIM, BATCH = 8, 6
SMALL: dict[str, Any] = {"hidden_dim": 16, "embedding_dim": 4}


def pipeline() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((8, 8)), K.RandomHorizontalFlip())
    )


def recorder(third: int = 0) -> MultiViewRecorder:
    view = pipeline()
    small = [KorniaRecorder(K.Resize((third, third)))] if third else []
    return MultiViewRecorder([view, view, *small])


def network(projector: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, DIM, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(backbone, projector or nn.Linear(DIM, 4))


def images() -> Tensor:
    return torch.rand(BATCH, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def equimod() -> EquiMod:
    return EquiMod(DIM, EquiMod.describe(recorder().encoders), **SMALL)


def augself() -> AugSelfLoss:
    return AugSelfLoss(DIM, {"crop": 1.0}, hidden_dim=8, encoders=recorder().encoders)


OBJECTIVES: dict[str, tuple[Callable[[], Any], int]] = {
    "EquiMod": (equimod, 8),
    "E-SSL": (lambda: ESSL(DIM, hidden_dims=[16]), 4),
    "STL": (lambda: STL(DIM, transformation_dim=8, shared=(), **SMALL), 0),
    "AugSelf": (augself, 0),
    "both": (lambda: Objectives({"augself": augself(), "equimod": equimod()}), 8),
}
"""Each with the side of its third view."""


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
    with pytest.raises(LossError, match=r"plainstep\.views\(batch\) once a step"):
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


def test_a_conditioned_projector_finds_its_views_record() -> None:
    made = recorder()
    condition = Condition(made.encoders)
    inputs = ConditionedProjector.input_dim(DIM, condition, hidden_dim=8, depth=1)
    project = ConditionedProjector(
        mlp([inputs, 4]), condition, feature_dim=DIM, hidden_dim=8, depth=1
    )
    model = network(project)
    step = PlainStep(model, made, None, taps="0")
    torch.manual_seed(4)
    views = step.views(images())
    both = model(torch.cat(views[::-1]))
    assert step.term() == 0
    torch.manual_seed(4)
    again, records = split_views(made(images()), made.layout)
    joined = {name: torch.cat([r[name] for r in records[::-1]]) for name in records[0]}
    assert torch.equal(both, project(model[0](torch.cat(again[::-1])), joined))
    step.views(images())
    with pytest.raises(FeatureError, match="expected features that a tap returned"):
        project(torch.rand(BATCH, DIM))
    with pytest.raises(RecordError, match="outside of a training step"):
        copy.deepcopy(model)(images()[..., :8, :8])


def test_two_models_are_told_apart() -> None:
    made = recorder()
    condition = Condition(made.encoders)
    inputs = ConditionedProjector.input_dim(DIM, condition, depth=0)
    models = [
        network(ConditionedProjector(nn.Linear(inputs, 4), condition, DIM, depth=0))
        for _ in range(2)
    ]
    steps = [PlainStep(model, made, None, taps="0") for model in models]
    views = [step.views(images()) for step in steps]
    for model, step, given in zip(models, steps, views, strict=True):
        for view in given:
            model(view)
        step.term()
    with pytest.raises(RecordError, match="outside of a training step"):
        models[0](views[0][0])


def test_with_lambda_zero_the_third_view_does_not_run() -> None:
    model = network()
    model[0].append(nn.BatchNorm1d(DIM))
    silent = ESSL(DIM, weight=0.0, hidden_dims=[16])
    step = PlainStep(model, recorder(third=4), silent, taps="0", third=2)
    views = step.views(images())
    alone = copy.deepcopy(model)
    loss, expected = (sum(m(v).square().mean() for v in views) for m in (model, alone))
    total: Any = loss + step.term()
    total.backward()
    expected.backward()  # type: ignore[union-attr]
    assert total == expected
    for mine, other in zip(model.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(mine, other)
    for p, other in zip(model.parameters(), alone.parameters(), strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, other.grad)  # type: ignore[arg-type]
    assert all(p.grad is not None and not p.grad.any() for p in silent.parameters())
    silent.set_weights({"essl": 0.4})
    for view in step.views(images()):
        model(view)
    assert step.term() > 0


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
    with pytest.raises(LossError, match=r"ESSL's networks \(first: head\.0\.weight\)"):
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
    ],
)
def test_what_does_not_fit_is_refused(model: Any, objective: Any, error: str) -> None:
    with pytest.raises(LossError, match=error):
        PlainStep(model, recorder(), objective, taps="0")
