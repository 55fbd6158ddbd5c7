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
from torch.utils.checkpoint import checkpoint

from augself_loss import AugSelf, AugSelfLoss, FeatureError, LossError, PlainStep, RecordError
from augself_loss.heads_watch import HeadsUnchangedWarning
from augself_loss.objectives import (
    CARE,
    ESSL,
    STL,
    Condition,
    ConditionedProjector,
    EquiMod,
    Objectives,
    mlp,
)
from augself_loss.objectives.answers import Answers
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
    "CARE": (lambda: CARE(shared=()), 0),
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


@pytest.mark.parametrize("name", ["EquiMod", "E-SSL"])
def test_one_view_per_image_is_enough(name: str) -> None:
    """As supervised training and masked autoencoders make it."""
    build, side = OBJECTIVES[name]
    model, own = network(), KorniaRecorder(K.Resize((side, side)))
    made = MultiViewRecorder([pipeline(), own])
    step = PlainStep(model, made, build(), taps="0", third=1, views=[0])
    by_hand: Any = copy.deepcopy(step.objective)
    torch.manual_seed(4)
    (view,) = step.views(images())
    model(view).sum().backward()
    term = step.term()
    torch.manual_seed(4)
    views, records = split_views(made(images()), made.layout)
    third = model[0](by_hand.prepare(views[1]))
    assert term.equal(by_hand([model[0](views[0])], records[:1], third=third).total)


@pytest.mark.parametrize("objective", [augself(), Objectives({"augself": augself()})])
def test_what_compares_two_views_is_not_given_one(objective: Any) -> None:
    with pytest.raises(LossError, match="third=1 expected an objective with a third view"):
        PlainStep(network(), recorder(), objective, taps="0", third=1)


def test_objectives_need_as_many_views_as_the_one_that_needs_most() -> None:
    both = Objectives({"augself": augself(), "equimod": equimod()})
    own = KorniaRecorder(K.Resize((8, 8)))
    with pytest.raises(LossError, match=r"at least 2 of your step.*found 1 of 2"):
        PlainStep(network(), MultiViewRecorder([pipeline(), own]), both, taps="0", third=1)
    with pytest.raises(LossError, match="two different indices"):
        PlainStep(network(), recorder(8), both, taps="0", third=2, views=[0])


def test_a_third_view_enters_where_the_others_did() -> None:
    """The tap need not be what is called with images: a pooling inside of a backbone."""
    terms = []
    for taps in ("0", "0.1", "0.2"):
        torch.manual_seed(3)
        model = network()
        step = PlainStep(model, recorder(8), equimod(), taps=taps, third=2)
        step.objective.pool = "mean" if taps == "0.1" else None  # type: ignore[union-attr]
        torch.manual_seed(4)
        for view in step.views(images()):
            model(view)
        terms.append(step.term())
    torch.testing.assert_close(terms, [terms[0]] * 3)


def test_a_third_view_enters_the_network_that_learns() -> None:
    model = nn.ModuleDict({"online": network()[0]})
    model["momentum"] = copy.deepcopy(model["online"])  # without gradients by no_grad alone
    objective = ESSL(DIM, hidden_dims=[16])
    step = PlainStep(model, recorder(4), objective, taps=("momentum", "online"), third=2)
    view1, view2 = step.views(images())
    with torch.no_grad():
        model["momentum"](view1)
    model["online"](view2)
    step.term().backward()
    assert all(p.grad is not None for p in model["online"].parameters())
    assert all(p.grad is None for p in model["momentum"].parameters())


def test_a_tap_that_no_image_leads_to_is_told() -> None:
    model = nn.ModuleDict({"net": network()[0], "projector": nn.Linear(DIM, DIM)})

    step = PlainStep(model, recorder(4), ESSL(DIM, hidden_dims=[16]), taps="projector", third=2)
    for view in step.views(images()):
        model["projector"](model["net"](view))
    with pytest.raises(FeatureError, match=r"called with images, found that 'projector'.*through="):
        step.term()


@pytest.mark.parametrize("third", [0, 2])
def test_equimod_is_not_given_an_augmented_image_as_the_plain_one(third: int) -> None:
    views = [pipeline(), pipeline(), pipeline() if third == 2 else KorniaRecorder(K.Resize((8, 8)))]
    model = network()
    step = PlainStep(model, MultiViewRecorder(views), equimod(), taps="0", third=third)
    for view in step.views(images()):
        model(view)
    with pytest.raises(RecordError, match="without augmentation as third view, found 'crop' drawn"):
        step.term()


def test_what_equimod_does_not_describe_is_no_part_of_the_plain_image_either() -> None:
    turned = KorniaRecorder(
        K.AugmentationSequential(K.Resize((8, 8)), K.RandomRotation90((0, 3), p=1.0))
    )
    model = network()
    step = PlainStep(
        model, MultiViewRecorder([pipeline(), pipeline(), turned]), equimod(), taps="0", third=2
    )
    for view in step.views(images()):
        model(view)
    with pytest.raises(RecordError, match="found 'rotation' drawn"):
        step.term()


def test_the_centre_of_the_image_counts_as_plain() -> None:
    view, model = pipeline(), network()
    for plain in (
        K.CenterCrop((8, 8)),
        K.AugmentationSequential(K.Resize((9, 9)), K.CenterCrop(8)),
    ):
        made = MultiViewRecorder([view, view, KorniaRecorder(plain)])
        step = PlainStep(model, made, equimod(), taps="0", third=2)
        for one in step.views(images()):
            model(one)
        assert step.term().isfinite()
