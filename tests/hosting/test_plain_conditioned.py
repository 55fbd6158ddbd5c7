"""A conditioned projector in a training loop of one's own: each view's record."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from plain_step_parts import (
    BATCH,
    DIM,
    images,
    network,
    recorder,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from augself_loss import FeatureError, PlainStep, RecordError
from augself_loss.objectives import (
    Condition,
    ConditionedProjector,
    mlp,
)
from augself_loss.objectives.answers import Answers
from augself_loss.recording.multiview import MultiViewRecorder, split_views


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
    with pytest.raises(RecordError, match="no training step tracks the views here"):
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
    with pytest.raises(RecordError, match="no training step tracks the views here"):
        models[0](views[0][0])


class Again(nn.Module):
    """Computes a module again for the backward pass."""

    def __init__(self, module: nn.Module, change: float = 0.0, *, reentrant: bool = False) -> None:
        super().__init__()
        self.module, self.change, self.reentrant = module, change, reentrant

    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.run, x, use_reentrant=self.reentrant)

    def run(self, x: Tensor) -> Any:
        again = torch._C._current_graph_task_id() != -1
        return self.module(x + self.change if again else x)


def conditioned_model() -> tuple[nn.Sequential, MultiViewRecorder]:
    made = recorder()
    condition = Condition(made.encoders)
    inputs = ConditionedProjector.input_dim(DIM, condition, hidden_dim=8, depth=1)
    torch.manual_seed(0)
    projector = mlp([inputs, 8, 4])
    project = ConditionedProjector(projector, condition, feature_dim=DIM, hidden_dim=8, depth=1)
    return network(project).double(), made


WRAPS: dict[str, Any] = {
    "none": lambda model: model,
    "all": Again,
    "projector": lambda model: nn.Sequential(model[0], Again(model[1])),
    "backbone": lambda model: nn.Sequential(Again(model[0]), model[1]),
    "reentrant": lambda model: Again(model, reentrant=True),
}


def conditioned_gradients(wrap: str, *, joined: bool = False) -> list[Tensor]:
    model, made = conditioned_model()
    step, run = PlainStep(model, made, None, taps="0"), WRAPS[wrap](model)
    torch.manual_seed(4)
    views = [v.double().requires_grad_() for v in step.views(images())]
    loss = run(torch.cat(views)).square().mean() if joined else run(views[0]).square().mean()
    loss = loss + 2 * run(views[1]).square().mean() + step.term()
    model.eval().train()  # between forward and backward a host may do anything
    loss.backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("wrap", [wrap for wrap in WRAPS if wrap != "none"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_checkpoint_is_told_the_same_records_again(wrap: str, joined: bool) -> None:
    plain = conditioned_gradients("none", joined=joined)
    for found, expected in zip(conditioned_gradients(wrap, joined=joined), plain, strict=True):
        torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_what_a_checkpoint_computes_otherwise_is_refused() -> None:
    model, made = conditioned_model()
    step = PlainStep(model, made, None, taps="0")
    view = step.views(images())[0].double().requires_grad_()
    loss = Again(model, change=1e-3)(view).sum() + step.term()
    with pytest.raises(RecordError, match=r"none with these numbers.*checkpoint the backbone"):
        loss.backward()
    late = Again(model)(step.views(images())[0].double().requires_grad_()).sum() + step.term()
    step.views(images())
    with pytest.raises((RecordError, FeatureError), match="expected features that"):
        late.backward()
    twin = copy.deepcopy(model)
    assert twin[1].answers is not model[1].answers


def test_features_that_several_calls_had_are_told_apart_by_their_records() -> None:
    answers, features = Answers(), torch.zeros(2, 3)
    one, other = {"flip": torch.zeros(2, 1)}, {"flip": torch.ones(2, 1)}
    answers.keep(features, one)
    answers.keep(features.clone(), dict(one))
    assert answers.find(features) == one
    assert answers.find(features.double()) is None
    answers.keep(features, other)
    assert answers.find(features) is None
    broken = features.index_fill(0, torch.tensor([0]), float("nan"))
    answers.keep(broken, one)
    answers.keep(broken, other)
    assert answers.find(broken) == one
    answers.forget()
    assert answers.find(features) is None
