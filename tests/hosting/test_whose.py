"""Which records features have: those of the views that their network was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import FeatureError
from augself_loss.hosting.whose import Whose
from augself_loss.parameters import Record
from augself_loss.taps import FeatureTaps

BATCH = 4
Project = Callable[[Tensor], Record]


class Network(nn.Module):
    """Two networks of one view's images, an online one and a slow one."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6))
        self.slow = nn.Sequential(nn.Flatten(), nn.Linear(12, 6)).requires_grad_(False)


def step(forward: Callable[[Any, list[Tensor], Project], Any], views: int = 2) -> Any:
    """Run a host's forward, with a projector that returns what it knows of its features."""
    torch.manual_seed(0)
    net = Network()
    given = [torch.rand(BATCH, 3, 2, 2) for _ in range(views)]
    records = [
        {"crop": torch.rand(BATCH, 4), "flip": torch.full((BATCH, 1), float(i))}
        for i in range(views)
    ]
    taps, whose = FeatureTaps(net, ("backbone", "slow")), Whose()

    def answer(features: Tensor) -> Record:
        return whose(features, taps.known_calls(), given, records)

    with taps.watch(net, given):
        found = forward(net, given, answer)
    return found, records


def same(found: Record, *expected: Record) -> bool:
    whole = {name: torch.cat([record[name] for record in expected]) for name in expected[0]}
    return found.keys() == whole.keys() and all(found[n].equal(whole[n]) for n in whole)


@pytest.mark.parametrize(
    "handed_on",
    [lambda f: f, lambda f: f[:], lambda f: f.detach(), lambda f: f.clone(), lambda f: f.double(),
     lambda f: f.half(), lambda f: f.unsqueeze(2), nn.functional.relu_],
    ids=["itself", "slice", "detach", "copy", "double", "half", "map", "written into"],
)  # fmt: skip
def test_view_by_view(handed_on: Callable[[Tensor], Tensor]) -> None:
    def forward(net: Any, views: list[Tensor], project: Project) -> Any:
        second = project(handed_on(net.backbone(views[1])))
        return project(handed_on(net.backbone(views[0]))), second

    (first, second), records = step(forward)
    assert same(first, records[0])
    assert same(second, records[1])


def test_all_views_in_one_call() -> None:
    def forward(net: Any, views: list[Tensor], project: Project) -> Any:
        whole = net.backbone(torch.cat(views))
        return project(whole), project(whole.chunk(2)[1]), project(whole[1:3])

    (whole, second, some), records = step(forward)
    assert same(whole, *records)
    assert same(second, records[1])
    assert same(some, {name: entry[1:3] for name, entry in records[0].items()})


def test_features_of_several_calls_in_any_order() -> None:
    order = torch.tensor([5, 0, 7, 2, 1, 6])

    def forward(net: Any, views: list[Tensor], project: Project) -> Any:
        features = [net.backbone(view) for view in views]
        return project(torch.cat(features[::-1])), project(torch.cat(features)[order])

    (turned, mixed), records = step(forward)
    assert same(turned, *records[::-1])
    whole = {name: torch.cat([r[name] for r in records]) for name in records[0]}
    assert same(mixed, {name: entry[order] for name, entry in whole.items()})


@pytest.mark.parametrize("change", [lambda v: v, lambda v: v.half(), lambda v: (v - 0.5) / 0.2])
def test_a_slow_network_sees_the_same_views_shuffled(change: Callable[[Tensor], Tensor]) -> None:
    order = torch.tensor([2, 0, 3, 1])
    shuffles = change(torch.tensor(1.0)) == 1.0  # of a normalized view the order is kept

    def forward(net: Any, views: list[Tensor], project: Project) -> Any:
        query = project(net.backbone(views[0]))
        given = change(views[1])
        with torch.no_grad(), torch.autocast("cpu", enabled=given.dtype == torch.float16):
            key = project(net.slow(given[order] if shuffles else given))
            again = project(net.slow(views[0]))
        return query, key, again

    (query, key, again), records = step(forward)
    expected = {name: entry[order] for name, entry in records[1].items()}
    assert same(key, expected if shuffles else records[1])
    assert same(query, records[0])
    assert same(again, records[0])


def test_one_view_of_three_by_autocast() -> None:
    def forward(net: Any, views: list[Tensor], project: Project) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return project(net.backbone(views[2]))

    found, records = step(forward, views=3)
    assert same(found, records[2])


@pytest.mark.parametrize(
    "forward",
    [lambda _net, _views, project: project(torch.rand(BATCH, 6)),
     lambda net, views, project: project(2 * net.backbone(views[0])),
     lambda net, _, project: project(net.backbone(torch.rand(BATCH, 3, 2, 2)))],
    ids=["nothing ran", "changed", "other images"],
)  # fmt: skip
def test_what_is_no_features_of_a_view_is_refused(forward: Any) -> None:
    with pytest.raises(FeatureError, match="expected features that a tap returned"):
        step(forward)


def test_a_host_whose_records_come_later_is_refused() -> None:
    with pytest.raises(FeatureError, match="expected features that a tap returned"):
        Whose()(torch.rand(BATCH, 6), [], [], [])
