"""Features taken from a host's submodules while its training step runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tapped import host, same, views
from torch import Tensor, nn

from augself_loss.errors import FeatureError, LossError
from augself_loss.taps import FeatureTaps


class Pair(nn.Module):
    """Returns something else than one tensor."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("tap", ["backbone", "backbone.layer"])
def test_a_view_is_known_whatever_the_order_of_the_calls(order: tuple[int, ...], tap: str) -> None:
    root, given = host(tap), views(3)
    with root.taps.watch(root, given):
        for i in order:
            root.backbone(given[i])
        found = root.taps.features([0, 1, 2])
        some = root.taps.features([2, 0])
    expected = [root.backbone.layer(view * 2) for view in given]
    if tap == "backbone":
        expected = [out.relu() for out in expected]
    assert same(found, expected)
    assert some[0] is found[2]
    assert some[1] is found[0]


@pytest.mark.parametrize(
    "again",
    [lambda view: view.detach(), lambda view: view[:], lambda view: view.view_as(view)],
    ids=["detach", "slice", "view"],
)
def test_the_same_memory_is_the_same_view(again: Callable[[Tensor], Tensor]) -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        for view in reversed(given):
            root.backbone(x=again(view))
        assert same(root.taps.features([0, 1]), [root.backbone(view) for view in given])


def test_what_is_returned_is_taken_itself() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        outs = [root.backbone(x=view) for view in given]
        assert all(a is b for a, b in zip(root.taps.features([0, 1]), outs, strict=True))


@pytest.mark.parametrize("calls", [[[0, 1, 2]], [[0, 1], [2]], [[0], [1, 2]], [[0], [1], [2]]])
def test_concatenated_views_are_known_by_their_images(calls: list[list[int]]) -> None:
    root, given = host("backbone.layer"), views(3)
    with root.taps.watch(root, given):
        for call in calls:
            root.backbone(torch.cat([given[i] for i in call]))
        found = root.taps.features([0, 1, 2])
    whole = root.backbone.layer(torch.cat(given) * 2)
    torch.testing.assert_close(found, list(whole.chunk(3)))


def test_of_calls_of_concatenated_views_those_with_gradients_count() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        with torch.no_grad():
            root.backbone(torch.cat(given))
        online = root.backbone(torch.cat(given))
        with torch.no_grad():
            root.backbone(torch.cat(given))
        found = root.taps.features([0, 1])
    assert same(found, list(online.chunk(2)))
    assert all(feature.requires_grad for feature in found)


def test_a_submodule_of_two_names_is_tapped_by_either() -> None:
    root, given = host("backbone"), views()
    root.add_module("alias", root.backbone)
    taps = FeatureTaps(root, "alias")
    with taps.watch(root, given):
        outs = [root.backbone(view) for view in given]
        assert same(taps.features([0, 1]), outs)


@pytest.mark.parametrize("first", ["backbone", "momentum"])
def test_of_two_taps_the_first_that_saw_a_view_counts(first: str) -> None:
    second = {"backbone": "momentum", "momentum": "backbone"}[first]
    root, given = host(first, second), views(3)
    with root.taps.watch(root, given):
        late = [root.get_submodule(second)(given[i]) for i in (2, 1, 0)]
        early = [root.get_submodule(first)(given[i]) for i in (1, 0)]
        found = root.taps.features([0, 1, 2])
    assert found[0] is early[1]
    assert found[1] is early[0]
    assert found[2] is late[0]


@pytest.mark.parametrize("target_first", [True, False])
def test_features_with_gradient_are_preferred(target_first: bool) -> None:
    root, given = host("backbone"), views()

    def targets() -> None:
        with torch.no_grad():
            for view in given:
                root.backbone(view)

    with root.taps.watch(root, given):
        if target_first:
            targets()
        outs = [root.backbone(view) for view in reversed(given)]
        if not target_first:
            targets()
        found = root.taps.features([0, 1])
    assert found[0] is outs[1]
    assert found[1] is outs[0]


@pytest.mark.parametrize("names", [(), []])
def test_no_tap_is_refused(names: Any) -> None:
    with pytest.raises(LossError, match="the name of at least one submodule, found none"):
        FeatureTaps(host(), names)


@pytest.mark.parametrize("name", ["encoder", "backbone.layer4", "", "backbone.", 3])
def test_an_unknown_tap_is_refused_by_name(name: Any) -> None:
    with pytest.raises(LossError) as refused:
        FeatureTaps(host(), ["backbone", name])
    for part in ("submodules of Host", f"found {name!r}", "['backbone', 'momentum']"):
        assert part in str(refused.value)


def test_no_call_is_refused_by_the_tap_s_name() -> None:
    root, given = host("momentum"), views()
    with root.taps.watch(root, given):
        root.backbone(given[0])
        with pytest.raises(FeatureError, match="found momentum: no call"):
            root.taps.features([0, 1])


def test_a_view_that_passed_no_tap_is_refused() -> None:
    root, given = host("backbone", "momentum"), views(3)
    with root.taps.watch(root, given):
        root.backbone(given[2])
        root.momentum(given[0])
        with pytest.raises(FeatureError) as refused:
            root.taps.features([0, 1])
        assert len(root.taps.features([0, 2])) == 2
    for part in (
        "views [0, 1] (of 3 views",
        "none for [1]",
        "backbone: [(4, 3)], momentum: [(4, 3)]",
    ):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "given_in", [lambda a, b: [a + b], lambda a, b: [a.sin(), b, b], lambda a, b: [a[:3], b[:3]]]
)
def test_calls_that_match_no_views_are_refused(given_in: Callable[..., list[Tensor]]) -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        for x in given_in(*given):
            root.backbone(x)
        with pytest.raises(FeatureError, match="of 2 views with 4 samples"):
            root.taps.features([0, 1])


@pytest.mark.parametrize(("module", "found"), [(Pair(), "tuple"), (nn.MSELoss(), "Tensor")])
def test_an_output_that_is_no_batch_is_refused(module: nn.Module, found: str) -> None:
    root, given = nn.ModuleDict({"backbone": module}), views()
    taps = FeatureTaps(root, "backbone")
    args = given if found == "Tensor" else given[:1]
    with taps.watch(root, given), pytest.raises(FeatureError, match=f"'backbone'.* found {found}"):
        module(*args)
