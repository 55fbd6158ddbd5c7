"""Objectives in a training loop of one's own: the view that they alone see."""

from __future__ import annotations

import copy
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from plain_step_parts import (
    DIM,
    OBJECTIVES,
    augself,
    equimod,
    images,
    network,
    pipeline,
    recorder,
)
from torch import nn

from augself_loss import FeatureError, LossError, PlainStep, RecordError
from augself_loss.objectives import (
    ESSL,
    Objectives,
)
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views


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
