"""AugSelf in a training loop of one's own: any model, any optimizer, any precision."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from plain_parts import (
    BATCH,
    WEIGHTS,
    base_loss,
    build,
    images,
    network,
    on_device,
    step,
)
from torch import Tensor, nn

from augself_loss import (
    AugSelfLoss,
    FeatureError,
    LossError,
)
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views


def test_a_step_is_that_of_the_loss_with_features_and_records_by_hand() -> None:
    model, recorder = network(), MultiViewRecorder(on_device())
    torch.manual_seed(3)
    augself = build(model, recorder=recorder, feature_dim=8)
    torch.manual_seed(3)
    by_hand = AugSelfLoss(8, WEIGHTS, hidden_dim=16, encoders=recorder.encoders)
    torch.manual_seed(4)
    _, term = step(augself, model, images())
    torch.manual_seed(4)
    views, records = split_views(recorder(images()), recorder.layout)
    out = by_hand([model[0](view).flatten(1) for view in views], records)
    assert torch.equal(term, out.total)
    assert augself.logged.keys() == {"total", *WEIGHTS}
    assert not augself.logged["total"].requires_grad


class Momentum(nn.Module):
    """A query and a key encoder, as MoCo has them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_q = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Linear(8, 4))
        self.encoder_k = copy.deepcopy(self.encoder_q)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        with torch.no_grad():
            keys = self.encoder_k(key[torch.randperm(len(key))])
        return (self.encoder_q(query) - keys.mean(0)).square().mean()


def test_momentum_encoders_may_shuffle_their_keys() -> None:
    model = Momentum()
    augself = build(model, taps=("encoder_q.1", "encoder_k.1"))
    query, key = augself.views(images())
    with augself:
        loss = model(query, key)
    term = augself.term()
    (loss + term).backward()
    features = [model.encoder_q[:2](query), model.encoder_k[:2](key).detach()]
    assert augself.feature_dim == 8
    assert features[0].shape == (BATCH, 8)
    assert model.encoder_q[1].weight.grad is not None


def test_of_many_crops_the_global_ones_are_paired() -> None:
    small = KorniaRecorder(K.AugmentationSequential(K.RandomResizedCrop((6, 6), scale=(0.1, 0.3))))
    model, recorder = network(), MultiViewRecorder([on_device(), on_device(), small, small])
    augself = build(model, recorder=recorder)
    views = augself.views(images())
    with augself:
        loss = sum(model(view).mean() for view in views)
    (loss + augself.term()).backward()
    assert len(views) == 4


def test_the_model_itself_is_tapped_where_no_name_is_given() -> None:
    backbone = network()[0]
    augself = build(backbone, taps=None)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    augself.join(optimizer)
    augself.check_optimizer(optimizer)
    loss, term = step(augself, nn.Sequential(backbone, nn.Flatten()), images())
    (loss + term).backward()
    assert augself.feature_dim == 8
    backbone.requires_grad_(False)
    with pytest.raises(LossError, match="to add the heads to, found none"):
        build(backbone, taps=None, optimizer=torch.optim.SGD(network().parameters(), lr=0.1))


def test_an_optimizer_that_was_built_before_takes_the_heads() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    augself = build(model, optimizer=optimizer)
    assert len(optimizer.param_groups) == 1
    loss, term = step(augself, model, images())
    (loss + term).backward()
    before = augself.heads["crop"][0].weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, augself.heads["crop"][0].weight)


def test_a_resumed_run_goes_on_bit_for_bit() -> None:
    def run(steps: range, saved: io.BytesIO | None = None) -> tuple[list[float], io.BytesIO]:
        model = network()
        augself = build(model)
        parameters = [*model.parameters(), *augself.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=0.01)
        parts = {"model": model, "augself": augself, "optimizer": optimizer}
        if saved is not None:
            states = torch.load(saved, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(states[name])
        losses = []
        for number in steps:
            torch.manual_seed(number)
            loss, term = step(augself, model, images())
            optimizer.zero_grad()
            (loss + term).backward()
            optimizer.step()
            losses.append((loss + term).item())
            augself.set_weights({"crop": 0.5})
        file = io.BytesIO()
        torch.save({name: part.state_dict() for name, part in parts.items()}, file)
        file.seek(0)
        return losses, file

    whole, _ = run(range(4))
    first, saved = run(range(2))
    rest, _ = run(range(2, 4), saved)
    assert first + rest == whole


@pytest.mark.parametrize("inside", [True, False])
def test_autocast_and_accumulation(inside: bool) -> None:
    model = network()
    augself = build(model)
    for _ in range(2):
        views = augself.views(images())
        with torch.autocast("cpu", torch.bfloat16):
            with augself:
                loss = base_loss(model, views)
            term = augself.term() if inside else None
        ((loss + (augself.term() if term is None else term)) / 2).backward()
    gradient = augself.heads["flip"][0].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute"
)  # of PyTorch, where the tap breaks a graph
def test_a_compiled_model_is_tapped() -> None:
    torch._dynamo.reset()
    model = network()
    augself = build(model)
    compiled: Any = torch.compile(model, backend="eager")
    for _ in range(3):
        loss, term = step(augself, compiled, images())
        (loss + term).backward()
    assert term > 0


def test_the_model_is_no_part_of_the_state() -> None:
    augself = build()
    assert all(name.startswith(("heads.", "lambdas.")) for name in augself.state_dict())
    assert len(list(augself.modules())) == len(list(AugSelfLoss(8, WEIGHTS).modules()))


def test_it_may_be_held_by_the_model() -> None:
    model = network()
    model.augself = build(model)
    loss, term = step(model.augself, model[:3], images())
    (loss + term).backward()
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"0", "2", "augself"}


def test_what_is_called_in_another_order_is_refused() -> None:
    model = network()
    augself = build(model)
    missing = r"views = augself\.views\(batch\)"
    with pytest.raises(LossError, match=missing), augself:
        pass
    with pytest.raises(LossError, match=missing):
        augself.term()
    base_loss(model, augself.views(images()))
    augself.term()
    with pytest.raises(LossError, match=missing):
        augself.term()
    augself.views(images())
    with pytest.raises(FeatureError, match="no call"):
        augself.term()


def test_a_block_leaves_out_what_runs_beside_it() -> None:
    model = network()
    augself = build(model)
    terms = []
    for block in (True, False):
        torch.manual_seed(5)
        views = augself.views(images())
        if block:
            model(torch.cat([*views, *views]).flip(0))
        with augself if block else contextlib.nullcontext():
            base_loss(model, views)
        if block:
            model(torch.rand(BATCH, 3, 8, 8))
        terms.append(augself.term())
    assert torch.equal(*terms)


def test_views_that_the_model_never_saw_are_refused() -> None:
    model = network()
    augself = build(model)
    augself.views(images())
    with augself:
        base_loss(model, [torch.rand(BATCH, 3, 8, 8)] * 2)
    with pytest.raises(FeatureError, match=r"none for \[0, 1\]\. It saw other images"):
        augself.term()


def test_a_block_that_fails_lets_the_next_step_be() -> None:
    model = network()
    augself = build(model)
    augself.views(images())
    with pytest.raises(ZeroDivisionError), augself:
        1 / 0  # noqa: B018
    _, term = step(augself, model, images())
    assert term > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": lambda: 1}, "expected your model"),
        ({"taps": "no"}, "taps expected names"),
        ({"views": [0, 5]}, "views expected"),
        ({"recorder": 3}, "expected recorders, found int"),
        ({"patience": 0}, "patience expected"),
        ({"hidden": 3}, "hidden"),
    ],
)
def test_bad_setups_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises((LossError, TypeError, ValueError), match=message):
        build(**change)
