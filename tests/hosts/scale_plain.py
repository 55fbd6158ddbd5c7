"""Heads beside the model or held by it, in two processes: alike, or refused.

Run as ``torchrun scale_plain.py``; see :func:`processes.start`.
"""

from __future__ import annotations

import copy
import unittest.mock
from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
import torch.distributed as dist
from processes import leave
from pytorch_pipelines import device
from torch import Tensor, nn
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel

from augself_loss import AugSelf, AugSelfLoss, LossError, PlainStep
from augself_loss.hosting.in_sync import keep_apart
from augself_loss.objectives import CARE, ESSL, Objectives
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

STEPS = 5


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.Linear(8, 4))


def trained(
    augself: Any, model: nn.Module, held: list[nn.Module], *, lr: float = 0.1, rows: int = 6
) -> list[Tensor]:
    """Train on other images in every process; return the heads' parameters."""
    parameters = [p for module in held for p in module.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=lr)
    for step in range(STEPS):
        torch.manual_seed(10 * step + dist.get_rank())
        views = augself.views(torch.rand(rows, 3, 20, 20))
        loss = model(views[0]).square().mean() + model(views[1]).square().mean()
        optimizer.zero_grad()
        (loss + augself.term()).backward()
        optimizer.step()
    return [*augself.parameters()]


def differ(parameters: list[Tensor]) -> bool:
    for parameter in parameters:
        parts = [torch.empty_like(parameter) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, parameter.detach())
        if not all(torch.equal(part, parts[0]) for part in parts):
            return True
    return False


def build(model: nn.Module, **options: Any) -> AugSelf:
    chosen = {"weights": {"crop": 1.0}, "taps": "1", "hidden_dim": 16, **options}
    return AugSelf(model, KorniaRecorder(device()), **chosen)


def without_networks_or_frozen() -> None:
    """Train where DDP has nothing to do, until something learns."""
    wrapped = DistributedDataParallel(network())
    step = PlainStep(wrapped, KorniaRecorder(device()), CARE(shared=()), taps="1")
    trained(step, wrapped, [wrapped], lr=1e-3)
    assert not differ([*wrapped.parameters()])

    beside = build(wrapped, feature_dim=8).requires_grad_(False)
    assert not differ(trained(beside, wrapped, [wrapped], lr=1e-3))
    before = [p.clone() for p in beside.parameters()]
    beside.requires_grad_(True)
    after = trained(beside, wrapped, [wrapped, beside], lr=1e-3)
    assert not differ(after)
    assert any(not torch.equal(*both) for both in zip(before, after, strict=True))
    beside.requires_grad_(False)
    trained(beside, wrapped, [wrapped], lr=1e-3)


def several_of_a_width_that_nobody_knows() -> None:
    """Train several objectives, of which one learns its width from the first batch."""
    wrapped, recorder = DistributedDataParallel(network()), KorniaRecorder(device())
    augself = AugSelfLoss(None, {"crop": 1.0}, encoders=recorder.encoders)
    several = Objectives({"augself": augself, "care": CARE(shared=())})
    step = PlainStep(wrapped, recorder, several, taps="1")
    assert not differ(trained(step, wrapped, [wrapped, step]))
    assert augself.feature_dim == 8


def copied_while_it_trains() -> None:
    """Copy a term that trains, for an average say: both train on."""
    wrapped = DistributedDataParallel(network())
    beside = build(wrapped)
    trained(beside, wrapped, [wrapped, beside], lr=1e-3)
    model, copied = copy.deepcopy((wrapped, beside))
    before = [p.clone() for p in copied.parameters()]
    assert not differ(trained(beside, wrapped, [wrapped, beside], lr=1e-3))
    assert all(map(torch.equal, before, copied.parameters()))
    assert not differ(trained(copied, model, [model, copied], lr=1e-3))
    assert not all(map(torch.equal, before, copied.parameters()))


def evaluated_by_the_first_process_alone() -> None:
    """Evaluate in one process while the others train on: no process waits for another."""
    net = QueryAndKey()
    wrapped = DistributedDataParallel(net)
    beside = build(wrapped, taps=("module.query.1", "module.key.1"))
    ways: list[Callable[[Tensor, Tensor], object]] = [
        lambda a, b: net.query(torch.cat([b, a]).flip(0)),
        lambda a, b: [net.query(2 * a - 1), net.query(2 * b - 1)],
        lambda a, b: [net.query(a * 1), net.key(b * 1)],
    ]
    for way in ways:
        if dist.get_rank() == 0:
            with torch.no_grad():
                way(*beside.views(torch.rand(4, 3, 20, 20)))
                assert beside.term().isfinite()
        assert not differ(trained(beside, wrapped, [wrapped, beside], lr=1e-3))


def last_batches_of_other_sizes() -> None:
    """Find images where one process has fewer, in what learns and in what does not.

    Also as on an accelerator, where what was found before is not looked at again.
    """
    wrapped = DistributedDataParallel(QueryAndKey())
    beside = build(wrapped, taps=("module.query.1", "module.key.1"))
    with unittest.mock.patch("augself_loss.hosting.matching.is_queued", return_value=True):
        for rows in (6, 6 - dist.get_rank()):
            trained(beside, wrapped, [wrapped, beside], lr=1e-3, rows=rows)
            assert not differ([*beside.parameters(), *wrapped.parameters()])


def main() -> None:
    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())

    net = network()
    beside = build(net)  # other weights in every process, of a width that nobody knows yet
    wrapped = DistributedDataParallel(net)
    assert not differ(trained(beside, wrapped, [net, beside]))

    wrapped = DistributedDataParallel(network())
    beside = build(wrapped)
    assert not differ(trained(beside, wrapped, [wrapped, beside]))

    net = network()
    net.augself = build(net, feature_dim=8)
    inside = DistributedDataParallel(_Forward(net))
    assert not differ(trained(net.augself, inside, [net]))

    holding = _Forward(network())
    holding.augself = build(holding, taps="net.1", feature_dim=8)
    keep_apart(holding.augself, holding)  # or DDP would find its heads unused, and mark them twice
    inside = DistributedDataParallel(holding, find_unused_parameters=True)
    assert not differ(trained(holding.augself, inside, [holding]))
    assert not differ([*holding.parameters()])

    held = network()
    held.augself = build(held, feature_dim=8, weights={"crop": 1.0, "color": 0.0})
    diverged = held.augself.heads["color"][0]
    torch.nn.init.constant_(diverged.weight, float("nan"))
    inside = DistributedDataParallel(_Forward(held))
    trained(held.augself, inside, [held])  # what is NaN in all processes is alike

    without_networks_or_frozen()
    several_of_a_width_that_nobody_knows()
    copied_while_it_trains()
    evaluated_by_the_first_process_alone()
    last_batches_of_other_sizes()
    in_a_join()

    net = network()
    wrapped = DistributedDataParallel(net)
    net.augself = build(net, feature_dim=8)
    refused = ""
    try:
        trained(net.augself, _Forward(net), [net])
    except LossError as error:
        refused = str(error)
    assert "DDP was built earlier" in refused

    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    wrapped = DistributedDataParallel(net)
    view, small = KorniaRecorder(device()), KorniaRecorder(K.RandomResizedCrop((8, 8)))
    recorder = MultiViewRecorder([view, view, small])
    step = PlainStep(wrapped, recorder, ESSL(8, hidden_dims=[16]), taps="2", third=2, through="")
    assert not differ(trained(step, wrapped, [wrapped, step]))
    assert not differ([*net.parameters()])
    leave()


def in_a_join() -> None:
    """Let processes run out of batches: who ran out goes on for the DDP alone."""
    wrapped = DistributedDataParallel(network())
    beside = build(wrapped)
    refused = ""
    try:
        with Join([wrapped]):
            trained(beside, wrapped, [wrapped, beside])
    except LossError as error:
        refused = str(error)
    assert "found your DDP within Join" in refused


class QueryAndKey(nn.Module):
    """Gives what it is called with, copied and normalized, to a network and to a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = network(), network().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        with torch.no_grad():
            target = self.key(x * 1)
        return self.query(x * 1) - target  # type: ignore[no-any-return]


class _Forward(nn.Module):
    """Runs the layers of a network that holds something else too."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net[:3](x)  # type: ignore[index,no-any-return]


if __name__ == "__main__":
    main()
