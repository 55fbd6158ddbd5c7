"""Features of several depths are taken together, each view's from all of them."""

from __future__ import annotations

import re
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelf, AugSelfLoss, Grid, LossError, Patches
from augself_loss.hosting.depth_taps import DepthTaps, listed, renamed, tapped
from augself_loss.hosting.settings import Settings
from augself_loss.recording.kornia import KorniaRecorder

TAPS = {"inner": "backbone.1", "outer": "backbone"}
READ: dict[str, Any] = {
    "feature_dim": {"inner": 4, "outer": 6},
    "pool": {"inner": 2},
    "depths": {"crop": "inner"},
}


def network() -> nn.ModuleDict:
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return nn.ModuleDict({"backbone": backbone, "head": nn.Linear(6, 3)})


def recorder() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((12, 12)), K.ColorJitter(0.4, 0.4, 0.4, 0.1))
    )


def loss(**options: Any) -> AugSelfLoss:
    return AugSelfLoss(weights={"crop": 1.0, "color": 1.0}, **{**READ, **options})


@pytest.mark.parametrize("order", ["one by one", "together", "shuffled"])
def test_every_view_has_all_its_depths(order: str) -> None:
    net, views = network(), list(torch.rand(2, 5, 3, 12, 12))
    taps = tapped(net, loss(), TAPS)
    assert isinstance(taps, DepthTaps)
    assert taps.names == ("backbone.1", "backbone")
    backbone: Any = net["backbone"]
    with taps.watch(net, views):
        assert not taps.called
        if order == "one by one":
            _ = [backbone(view) for view in reversed(views)]
        else:
            rows = torch.randperm(10) if order == "shuffled" else torch.arange(10)
            backbone(torch.cat(views)[rows])
        assert taps.called
    for view, found in zip(views, taps.features([0, 1]), strict=True):
        assert isinstance(found, dict)
        torch.testing.assert_close(found["inner"], backbone[:2](view))
        torch.testing.assert_close(found["outer"], backbone(view))
    taps.forget()
    assert not taps.called


def test_stopped_taps_take_nothing() -> None:
    net, views = network(), list(torch.rand(2, 5, 3, 12, 12))
    taps = tapped(net, loss(), TAPS)
    with taps.watch(net, views):
        taps.stop()
        net["backbone"](views[0])
    assert not taps.called


def test_beside_a_loop_of_ones_own() -> None:
    net = network()
    augself = AugSelf(net, recorder(), {"crop": 1.0, "color": 1.0}, taps=TAPS, **READ)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    augself.join(optimizer)
    augself.check_optimizer(optimizer)
    backbone: Any = net["backbone"]
    totals = []
    for _ in range(2):
        views = augself.views(torch.rand(6, 3, 16, 16))
        base: Tensor = net["head"](backbone(torch.cat(views))).square().mean()
        (base + augself.term()).backward()
        totals.append(augself.logged["total"])
    assert backbone[0].weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in augself.parameters())
    assert augself.feature_dim == {"inner": 4, "outer": 6}


def test_widths_are_learned_beside_a_loop_of_ones_own() -> None:
    net = network()
    options = {**READ, "feature_dim": {"inner": None, "outer": None}}
    augself = AugSelf(net, recorder(), {"crop": 1.0, "color": 1.0}, taps=TAPS, **options)
    for view in augself.views(torch.rand(6, 3, 16, 16)):
        net["backbone"](view)
    augself.term()
    assert augself.feature_dim == {"inner": 4, "outer": 6}


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a name": (loss, "backbone", r"a dict from depth to submodule with ['inner', 'outer']"),
    "names": (loss, ["backbone", "backbone.1"], "found ['backbone', 'backbone.1']"),
    "other depths": (loss, {**TAPS, "third": "head"}, "found a dict with ['inner', 'outer', 'th"),
    "a depth less": (loss, {"inner": "backbone.1"}, "found a dict with ['inner']"),
    "one depth": (lambda: AugSelfLoss(6), TAPS, "build the loss with feature_dim={'layer3': …, …}"),
    "no submodule": (loss, {**TAPS, "outer": "trunk"}, "expected names of submodules"),
}


@pytest.mark.parametrize(("build", "taps", "message"), WRONG.values(), ids=list(WRONG))
def test_taps_that_do_not_fit_the_loss(build: Any, taps: Any, message: str) -> None:
    with pytest.raises(LossError, match=re.escape(message)):
        tapped(network(), build(), taps)


def test_the_model_itself_is_no_tap_of_several_depths() -> None:
    with pytest.raises(LossError, match="taps expected a dict"):
        AugSelf(network(), recorder(), {"crop": 1.0, "color": 1.0}, **READ)


def test_names_in_all_their_forms() -> None:
    deep = {"inner": ("a", "b"), "outer": "c"}
    assert listed(deep) == ["a", "b", "c"]
    assert listed("a") == ["a"]
    assert renamed(deep, "net.{}".format) == {"inner": ["net.a", "net.b"], "outer": "net.c"}
    assert renamed(["a"], str.upper) == ["A"]


def test_a_config_may_say_it() -> None:
    node = {
        "weights": {"crop": 1.0, "flip": 1.0}, "taps": TAPS, "depths": {"crop": "inner"},
        "feature_dim": {"inner": 4, "outer": 6},
        "pool": {"inner": {"side": 2, "prefix": 1}, "outer": {"prefix": 1}},
    }  # fmt: skip
    settings = Settings.read(node)
    assert settings.taps == TAPS
    assert settings.loss().pool == {"inner": Grid(2, prefix=1), "outer": Patches(1)}
    with pytest.raises(LossError, match="Set it in the config"):
        Settings.read({**node, "feature_dim": {"inner": 4, "outer": None}}).loss()
