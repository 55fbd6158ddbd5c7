"""AugSelf in a training loop of one's own: any batch, any model, any optimizer."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable
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
    in_workers,
    network,
    on_device,
    step,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2

from augself_loss import (
    AugSelf,
    AugSelfLoss,
    FeatureError,
    LossError,
    RecordError,
    TermUnusedWarning,
)
from augself_loss.heads_watch import HeadsUnchangedWarning
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder


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


RECORDED = MultiViewRecorder(in_workers())


def collated() -> list[Tensor]:
    batch: list[Tensor] = default_collate([RECORDED(image) for image in images()])
    return batch


BATCHES: dict[str, Callable[[], Any]] = {
    "views and records": collated,
    "with labels": lambda: [collated(), torch.zeros(BATCH)],
    "a dict": lambda: {"label": torch.zeros(BATCH), "image": collated()},
    "nested": lambda: {"labelled": [images(), torch.zeros(BATCH)], "rest": (collated(),)},
    "flat, with a label": lambda: [*collated(), torch.zeros(BATCH)],
    "flat, with an index": lambda: [torch.arange(BATCH), *collated()],
    "flat, with another image": lambda: (images(), *collated(), torch.zeros(BATCH)),
    "flat pairs": lambda: default_collate(
        [(in_workers()(i), in_workers()(i), 1) for i in images()]
    ),
    "pairs": lambda: default_collate([[in_workers()(i), in_workers()(i)] for i in images()]),
    "pairs with labels": lambda: default_collate(
        [([in_workers()(image), in_workers()(image)], 1) for image in images()]
    ),
}


@pytest.mark.parametrize("form", BATCHES)
def test_views_are_found_wherever_they_are(form: str) -> None:
    model = network()
    augself = build(model, recorder=RECORDED)
    loss, term = step(augself, model, BATCHES[form]())
    (loss + term).backward()
    assert term > 0


@pytest.mark.parametrize(
    "batch",
    [images(), [images(), torch.zeros(BATCH).long()], {"image": (images() * 255).byte()}],
    ids=["tensor", "with labels", "uint8"],
)
def test_images_are_augmented_where_they_are(batch: Any) -> None:
    augself = build()
    views = augself.views(batch)
    assert [view.shape for view in views] == [(BATCH, 3, 8, 8)] * 2
    assert all(view.min() >= 0 and view.max() <= 1 for view in views)


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ([images(), images()], "2 tensors of images and no records"),
        (torch.zeros(3), "neither"),
        ({"a": collated(), "b": collated()}, "2 lists of views with records"),
        (
            dict(zip("abr", collated(), strict=True)),
            r"views\(\[batch\['a'\], batch\['b'\], batch\['r'",
        ),
        ([collated()[0], [collated()[-1]]], r"views\(\[view1, view2, records\]\)"),
        ([[images(), {"flip": torch.zeros(BATCH, 1)}]] * 2, "expected records of"),
    ],
    ids=["no records", "no images", "two batches", "a flat dict", "apart", "another recorder"],
)
def test_what_cannot_be_told_is_refused(batch: Any, found: str) -> None:
    with pytest.raises(RecordError, match=found):
        build().views(batch)


def test_records_of_another_recorder_are_refused() -> None:
    other = MultiViewRecorder(TorchvisionRecorder(v2.ColorJitter(0.4)))
    with pytest.raises(RecordError, match="another recorder"):
        build(recorder=RECORDED).views(default_collate([other(image) for image in images()]))


@pytest.mark.slow
def test_a_data_loader_with_workers_trains() -> None:
    model = network()
    augself = build(model, recorder=RECORDED)
    optimizer = torch.optim.SGD([*model.parameters(), *augself.parameters()], lr=0.1)
    data = [(RECORDED(image), 0) for image in images()]
    before = copy.deepcopy(augself.state_dict())
    for batch in DataLoader(data, BATCH // 2, num_workers=1, multiprocessing_context="spawn"):
        loss, term = step(augself, model, batch)
        optimizer.zero_grad()
        (loss + term).backward()
        optimizer.step()
    after = augself.state_dict()
    assert after["heads.crop.0.weight"].shape == (16, 16)
    assert not torch.equal(before["heads.crop.6.bias"], after["heads.crop.6.bias"])


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
