"""Forgotten heads: found in every kind of optimizer, joined where they learn, or refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer

from augself_loss import AugSelfLoss, LossError
from augself_loss.hosting.optimizers import join, optimizers_in, with_weights
from augself_loss.objectives import ESSL

DIM, BATCH = 8, 6


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.top = nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, DIM)
        self.projector = nn.Linear(DIM, 2)
        self.backbone = nn.Sequential(self.stem, self.norm, self.top)


def built() -> tuple[Model, AugSelfLoss]:
    torch.manual_seed(0)
    return Model(), AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=4)


def joined(model: Model, augself: AugSelfLoss, *optimizers: Any) -> None:
    join(optimizers, augself, {"backbone": model.backbone})
    augself.check_optimizer(*optimizers)


def place(augself: AugSelfLoss, optimizer: Any) -> int:
    """Say which group holds the heads."""
    own = {id(p) for p in augself.parameters()}
    (number,) = (
        number
        for number, group in enumerate(optimizer.param_groups)
        if own <= {id(p) for p in group["params"]}
    )
    return number


def moved(model: Model, augself: AugSelfLoss, optimizer: Any) -> bool:
    """Train one step, and say whether all of the heads moved."""
    before = [p.detach().clone() for p in augself.parameters()]
    record = {"flip": torch.tensor([[0.0], [1.0]] * (BATCH // 2))}
    generator = torch.Generator().manual_seed(0)

    def closure() -> Any:
        optimizer.zero_grad()
        x1, x2 = (torch.randn(BATCH, 4, generator=generator) for _ in range(2))
        other = {"flip": record["flip"].flip(0)}
        total = augself(model.backbone(x1), model.backbone(x2), record, other).total
        total.backward()
        return total.detach()

    for _ in range(2):
        optimizer.step(closure)
    return all(not a.equal(b) for a, b in zip(before, augself.parameters(), strict=True))


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
    "Adafactor": lambda p: torch.optim.Adafactor(p, lr=0.1),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=0.1),
    "ASGD": lambda p: torch.optim.ASGD(p, lr=0.1),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1),
    "Fabric": lambda p: Fabric(accelerator="cpu").setup_optimizers(torch.optim.SGD(p, lr=0.1)),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_forgotten_heads_train(make: Callable[[Any], Any]) -> None:
    model, augself = built()
    optimizer = make(model.backbone.parameters())
    joined(model, augself, optimizer)
    assert moved(model, augself, optimizer)


class StateFromTheStart(torch.optim.SGD):
    """Makes its state when it is built, as Adagrad did, and needs it."""

    def __init__(self, params: Any, lr: float = 0.1, **_more: Any) -> None:
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"] = torch.full_like(p, group["lr"])

    def step(self, closure: Any = None) -> Any:
        sums = [self.state[p]["sum"] for group in self.param_groups for p in group["params"]]
        assert all(bool((each == 0.5).all()) for each in sums)
        return super().step(closure)


def test_state_that_is_made_at_the_start() -> None:
    model, augself = built()
    optimizer = StateFromTheStart([{"params": list(model.backbone.parameters()), "lr": 0.5}])
    joined(model, augself, optimizer)
    assert moved(model, augself, optimizer)


def test_state_that_cannot_be_made_is_refused() -> None:
    class Picky(StateFromTheStart):
        def __init__(self, params: Any) -> None:
            super().__init__(params)

    model, augself = built()
    with pytest.raises(LossError, match=r"Picky makes its state .*configure_optimizers"):
        joined(model, augself, Picky(model.backbone.parameters()))


def zero(parameters: Any) -> Any:
    return ZeroRedundancyOptimizer(list(parameters), optimizer_class=torch.optim.SGD, lr=0.1)


@pytest.mark.usefixtures("one_process")
def test_zero_redundancy_takes_a_group_more() -> None:
    model, augself = built()
    optimizer = zero(model.backbone.parameters())
    joined(model, augself, optimizer)
    assert place(augself, optimizer) == 1
    assert optimizer.param_groups[1]["lr"] == 0.1
    assert moved(model, augself, optimizer)


@pytest.mark.usefixtures("one_process")
def test_zero_redundancy_whose_groups_were_counted_is_refused() -> None:
    model, augself = built()
    optimizer = zero(model.backbone.parameters())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    with pytest.raises(LossError, match=r"ZeroRedundancyOptimizer .*scheduler.*never learn|never"):
        joined(model, augself, optimizer)


@pytest.mark.usefixtures("one_process")
def test_heads_put_into_a_copied_group_are_missing() -> None:
    model, augself = built()
    optimizer = zero(model.backbone.parameters())
    optimizer.param_groups[0]["params"].extend(augself.parameters())
    with pytest.raises(LossError, match="all parameters of AugSelf's heads, found 8 missing"):
        augself.check_optimizer(optimizer)
    augself.check_optimizer(zero([*model.parameters(), *augself.parameters()]))


GROUPS: dict[str, tuple[Callable[[Model], list[Any]], int]] = {
    "rates by layer": (
        lambda m: [
            {"params": m.stem.parameters(), "lr": 1e-4},
            {"params": m.norm.parameters(), "lr": 1e-3},
            {"params": m.top.parameters(), "lr": 1e-1},
            {"params": m.projector.parameters(), "lr": 1.0},
        ],
        2,
    ),
    "from the top": (
        lambda m: [
            {"params": m.top.parameters(), "lr": 1e-1},
            {"params": m.stem.parameters(), "lr": 1e-4},
        ],
        0,
    ),
    "decay and none": (
        lambda m: [
            {"params": [p for p in m.backbone.parameters() if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in m.backbone.parameters() if p.ndim < 2]},
        ],
        0,
    ),
    "stem of rate 0": (
        lambda m: [
            {"params": m.stem.parameters(), "lr": 0.0},
            {"params": m.top.parameters()},
        ],
        1,
    ),
    "top of rate 0": (
        lambda m: [
            {"params": m.stem.parameters()},
            {"params": m.top.parameters(), "lr": torch.tensor(0.0)},
        ],
        0,
    ),
    "backbone of rate 0": (
        lambda m: [
            {"params": m.backbone.parameters(), "lr": 0.0},
            {"params": m.projector.parameters()},
        ],
        1,
    ),
    "all of rate 0": (lambda m: [{"params": m.backbone.parameters(), "lr": 0.0}], 0),
    "warm-up": (
        lambda m: [
            {"params": m.stem.parameters(), "lr": 0.1},
            {"params": m.top.parameters(), "lr": 0.0, "initial_lr": 0.1},
        ],
        1,
    ),
}


@pytest.mark.parametrize("name", GROUPS)
def test_the_group_that_they_join(name: str, caplog: pytest.LogCaptureFixture) -> None:
    make, expected = GROUPS[name]
    model, augself = built()
    optimizer = torch.optim.SGD(make(model), lr=0.1)
    with caplog.at_level(logging.INFO, "augself_loss.optimizers"):
        joined(model, augself, optimizer)
    assert place(augself, optimizer) == expected
    assert f"in no optimizer, to group {expected} of SGD" in caplog.text


def test_the_optimizer_that_trains_the_tapped_module() -> None:
    model, augself = built()
    first = torch.optim.SGD(model.projector.parameters(), lr=0.1)
    second = torch.optim.Adam(model.backbone.parameters(), lr=0.1)
    joined(model, augself, first, second)
    assert place(augself, second) == 0
    assert len(first.param_groups[0]["params"]) == 2


def test_names_of_parameters_are_kept() -> None:
    model, augself = built()
    optimizer = torch.optim.SGD(model.backbone.named_parameters(), lr=0.1)
    joined(model, augself, optimizer)
    group = optimizer.state_dict()["param_groups"][0]
    if "param_names" in group:
        assert group["param_names"][-1] == "augself.heads.flip.6.bias"
        assert len(group["param_names"]) == len(group["params"])


def test_heads_that_are_held_stay_where_they_are(caplog: pytest.LogCaptureFixture) -> None:
    model, augself = built()
    own = torch.optim.SGD(augself.parameters(), lr=0.1)
    other = torch.optim.SGD(model.backbone.parameters(), lr=0.1)
    with caplog.at_level(logging.INFO, "augself_loss.optimizers"):
        joined(model, augself, other, own)
    assert place(augself, own) == 0
    assert not caplog.text


def test_a_frozen_backbone_is_refused_by_name() -> None:
    model, augself = built()
    optimizer = torch.optim.SGD(model.projector.parameters(), lr=0.1)
    with pytest.raises(LossError, match=r"never learn.*\['backbone'\].*frozen.*augself.parameters"):
        joined(model, augself, optimizer)


def test_a_tap_without_weights_stands_for_those_before_it() -> None:
    """A ResNet's pooling is tapped where its ``fc`` is the projector."""
    model, augself = built()
    stem, top, projector = model.stem, model.top, model.projector
    encoder = nn.Sequential(stem, nn.Sequential(top, nn.Flatten()), nn.ReLU(), projector)
    groups = [{"params": module.parameters()} for module in (projector, top, stem)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    join([optimizer], augself, with_weights(nn.Sequential(encoder), ["0.2"]))
    assert place(augself, optimizer) == 1
    for name, expected in (("1.1", [top]), ("1", [encoder[1]]), ("2", [stem, encoder[1]])):
        (found,) = with_weights(encoder, [name]).values()
        assert {*found.parameters()} == {p for module in expected for p in module.parameters()}
    (found,) = with_weights(nn.Sequential(nn.Flatten(), top), ["0"]).values()
    assert {*found.parameters()} == {*top.parameters()}, "what follows, where nothing is before it"


def test_a_tap_without_weights_in_a_frozen_backbone_is_refused() -> None:
    model, augself = built()
    optimizer = torch.optim.SGD(model.projector.parameters(), lr=0.1)
    whole = nn.Sequential(nn.Sequential(model.top, nn.Flatten()), model.projector)
    with pytest.raises(LossError, match=r"never learn.*\['0.1'\].*frozen"):
        join([optimizer], augself, with_weights(whole, ["0.1"]))


def test_optimizers_in_every_form() -> None:
    one, two = (torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1) for _ in range(2))
    schedule = torch.optim.lr_scheduler.ConstantLR(one)
    entry = {"optimizer": one, "lr_scheduler": {"scheduler": schedule}}
    for form in (one, [one], (one,), ([one], [schedule]), entry, ({"optimizer": one},)):
        assert list(optimizers_in(form)) == [one]
    assert list(optimizers_in([one, {"optimizer": two}])) == [one, two]
    assert list(optimizers_in(None)) == []


def test_another_objective_s_networks_are_called_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frozen, trained, essl = nn.Linear(4, 4), nn.Linear(4, 4), ESSL(8, hidden_dims=[16])
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    with pytest.raises(LossError, match=r"^ESSL's networks are .*Pass objective\.parameters\(\)"):
        join([optimizer], essl, {"backbone": frozen})
    with caplog.at_level("INFO", logger="augself_loss.optimizers"):
        join([optimizer], essl, {"backbone": trained})
    assert "Added ESSL's networks, which were in no optimizer" in caplog.text
