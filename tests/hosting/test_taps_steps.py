"""Features as they were returned, their gradients, and taps that are copied and compiled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from tapped import BATCH, DIM, Backbone, Host, host, no_grad, pictures, same, views
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

from augself_loss.errors import FeatureError
from augself_loss.taps import FeatureTaps

INTO = {
    "relu": lambda f: f.relu_(),
    "dropout": lambda f: nn.functional.dropout(f, 0.5, inplace=True),
    "divided": lambda f: f.div_(f.detach().norm(dim=1, keepdim=True)),
    "centred": lambda f: f.sub_(f.detach().mean(0)),
}


@pytest.mark.parametrize("into", sorted(INTO))
def test_features_are_those_that_were_returned(into: str) -> None:
    root, given = host("backbone.layer"), views()
    with root.taps.watch(root, given):
        outs = [root.backbone.layer(view) for view in given]
        expected = [out.detach().clone() for out in outs]
        sum(INTO[into](out).sum() for out in outs)
        found = root.taps.features([0, 1])
    assert same(found, expected)
    sum(feature.square().sum() for feature in found).backward()
    weight = root.backbone.layer.weight.grad
    assert weight is not None
    assert weight.abs().sum() > 0


def test_features_can_be_asked_for_after_the_block_until_they_are_forgotten() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        outs = [root.backbone(view) for view in given]
    assert same(root.taps.features([0, 1]), outs)
    root.taps.forget()
    with pytest.raises(FeatureError, match=r"after a watch\(module, views\)"):
        root.taps.features([0, 1])


def reentrant(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return checkpoint(call, x.requires_grad_(), use_reentrant=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("way", "tap"),
    [(no_grad, "backbone"), (no_grad, "backbone.layer"), (reentrant, "backbone.layer")],
)
def test_features_without_a_gradient_are_refused_where_the_module_trains(
    way: Callable[..., Tensor], tap: str
) -> None:
    root, given = host(tap), views()

    def step() -> None:
        with root.taps.watch(root, given):
            for view in given:
                way(root.backbone, view)

    step()
    with pytest.raises(FeatureError, match=r"with a gradient.*use_reentrant=False"):
        root.taps.features([0, 1])
    root.requires_grad_(False)  # frozen on purpose
    step()
    assert len(root.taps.features([0, 1])) == 2
    root.requires_grad_(True)
    root.eval()
    step()
    assert len(root.taps.features([0, 1])) == 2


def test_views_may_be_named_after_other_images_passed() -> None:
    root, given = host("backbone"), views()
    named: list[Tensor] = []
    with root.taps.watch(root, named):
        root.backbone(torch.rand_like(given[0]))
        named += given
        outs = [root.backbone(view) for view in given]
    assert same(root.taps.features([0, 1]), outs)


def test_a_momentum_encoder_alone_is_refused_and_a_frozen_block_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = nn.ModuleDict(
        {"backbone": nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Linear(8, 8))}
    )
    root["momentum"] = copy.deepcopy(root["backbone"]).requires_grad_(False)
    given = [torch.rand(4, 3, 4, 4) for _ in range(2)]

    def features(tap: str) -> list[Tensor]:
        taps = FeatureTaps(root, tap)
        with taps.watch(root, given):
            for view in given:
                root["backbone"](view), root["momentum"](view)
        return taps.features([0, 1])

    for tap in ("momentum", "momentum.1"):
        with pytest.raises(
            FeatureError,
            match=rf"frozen.*taps=\('{tap.replace('momentum', 'backbone')}', '{tap}'\)",
        ):
            features(tap)
    root["backbone"][1].requires_grad_(False)  # its second layer is built alike, and trains
    del root["momentum"]
    root["momentum"] = nn.Identity()
    assert not features("backbone.1")[0].requires_grad
    assert caplog.text.count("Only the heads learn") == 1


def test_a_checkpointed_module_is_tapped_as_a_whole() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        outs = [reentrant(root.backbone, view) for view in given]
    found = root.taps.features([0, 1])
    assert same(found, outs)
    assert all(feature.requires_grad for feature in found)


def test_a_second_view_may_go_without_a_gradient() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        online = root.backbone(given[0])
        target = no_grad(root.backbone, given[1])
    assert same(root.taps.features([0, 1]), [online, target])


class Transformer(nn.Module):
    """Has methods that run its layers without running its own hooks, as timm's models have."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 5, 2, 2)
        self.norm = nn.LayerNorm(5)

    def forward_features(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.patch_embed(x).flatten(2).mT)
        return out


def test_no_call_says_that_methods_run_no_hooks_and_a_layer_inside_does() -> None:
    root, given = nn.ModuleDict({"teacher": Transformer(), "vit": Transformer()}), pictures()
    whole, inside = FeatureTaps(root, "vit"), FeatureTaps(root, "vit.norm")
    with whole.watch(root, given), inside.watch(root, given):
        no_grad(root["teacher"].forward_features, given[1])
        outs = [root["vit"].forward_features(view) for view in reversed(given)][::-1]
    assert same(inside.features([0, 1]), outs)
    with pytest.raises(FeatureError, match=r"forward_features\(\).*'….norm' with pool="):
        whole.features([0, 1])


def test_a_stem_beside_the_tap_says_whose_features_they_are() -> None:
    root = nn.ModuleDict({"other": nn.Linear(5, 2), "stem": nn.Linear(5, 6), "net": Backbone()})
    root["net"].layer = nn.Linear(6, DIM)
    given, taps = views(), FeatureTaps(root, "net.layer")
    with taps.watch(root, given):
        root["other"](given[0])
        hidden = [root["stem"](view) for view in reversed(given)]
        outs = [root["net"](h) for h in hidden]
    assert same([f.relu() for f in taps.features([1, 0])], outs)
    with taps.watch(root, given):
        root["other"](given[0])
        root["net"](torch.randn(BATCH, 6))
    with pytest.raises(FeatureError, match="none for"):
        taps.features([0])


def test_nothing_is_taken_outside_of_a_watch() -> None:
    root, given = host("backbone"), views()
    root.backbone(given[0])
    assert not root.taps.called
    with root.taps.watch(root, given):
        assert not root.taps.called
        root.backbone(given[0])
        assert root.taps.called
        root.taps.stop()
        root.backbone(given[1])
        with pytest.raises(FeatureError, match=r"none for \[1\]"):
            root.taps.features([0, 1])
    assert not root.taps.called
    with pytest.raises(ZeroDivisionError), root.taps.watch(root, given):
        root.backbone(given[0] / (1 // 0))
    root.backbone(given[0])
    assert not root.taps.called


def test_a_copied_submodule_is_silent() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        during = copy.deepcopy(root.backbone)
        for twin in (during, pickle.loads(pickle.dumps(root.backbone))):
            for view in given:
                twin(view)
        assert not root.taps.called
        outs = [root.backbone(view) for view in given]
        assert same(root.taps.features([0, 1]), outs)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda root: pickle.loads(pickle.dumps(root))])
@pytest.mark.parametrize("tap", ["backbone", "backbone.layer"])
def test_a_copied_root_works_on_its_own(copied: Callable[[Host], Host], tap: str) -> None:
    root, given = host(tap), views()
    twin = copied(root)
    nn.init.zeros_(twin.backbone.layer.weight)
    with root.taps.watch(root, given):
        for view in given:
            twin.backbone(view)
        assert not root.taps.called
        with twin.taps.watch(twin, given):
            for view in reversed(given):
                root.backbone(view)
            assert not twin.taps.called
            outs = [twin.get_submodule(tap)(view @ torch.eye(5)) for view in given]
            assert same(twin.taps.features([0, 1]), outs)
        assert len(root.taps.features([0, 1])) == 2
        assert not same(root.taps.features([0, 1]), outs)


# Dynamo hides this warning of its own from users, but not where warnings are errors.
COMPILES = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


def replaced(root: Host) -> None:
    root.backbone = Backbone()


def replaced_inside(root: Host) -> None:
    root.backbone.layer = nn.Linear(5, DIM)


def compiled(root: Host) -> None:
    root.backbone = torch.compile(root.backbone, backend="eager")  # type: ignore[assignment]


def compiled_in_place(root: Host) -> None:
    root.backbone.compile(backend="eager")


@COMPILES
@pytest.mark.parametrize("change", [replaced, replaced_inside, compiled, compiled_in_place])
@pytest.mark.parametrize("tap", ["backbone", "backbone.layer"])
@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_a_changed_submodule_is_tapped_anew(
    change: Callable[[Host], None], tap: str, used: bool
) -> None:
    torch.compiler.reset()
    root, given = host(tap), views()
    old = root.backbone
    if used:
        with root.taps.watch(root, given):
            root.backbone(given[0])
    change(root)
    for _ in range(2):
        with root.taps.watch(root, given):
            if change is replaced:
                old(given[0])
                assert not root.taps.called
            outs = [root.backbone(view) for view in reversed(given)][::-1]
            found = root.taps.features([0, 1])
            assert same([feature.relu() for feature in found], outs)
            assert all(feature.requires_grad for feature in found)


@pytest.mark.parametrize("tap", ["backbone", "backbone.layer"])
@pytest.mark.parametrize("change", [replaced, replaced_inside])
def test_a_submodule_exchanged_within_a_step_is_named(
    change: Callable[[Host], None], tap: str
) -> None:
    """SMoG copies its backbone into the momentum encoder's place every 300 steps."""
    root, given = host(tap), views()
    exchanged = tap == "backbone.layer" or change is replaced
    with root.taps.watch(root, given):
        change(root)
        outs = [root.backbone(view) for view in given]
        if exchanged:
            with pytest.raises(FeatureError, match=f"'{tap}' was replaced .* after the views were"):
                root.taps.features([0, 1])
    with root.taps.watch(root, given):
        assert same([root.backbone(view) for view in given], outs)
        assert len(root.taps.features([0, 1])) == 2


@COMPILES
def test_a_module_compiled_and_first_called_outside_of_a_watch_is_seen() -> None:
    torch.compiler.reset()
    root, given = host("backbone"), views()
    root.backbone.compile(backend="eager")
    root.backbone(given[0])
    with root.taps.watch(root, given):
        outs = [root.backbone(view) for view in given]
        assert same(root.taps.features([0, 1]), outs)
    root.backbone(given[0])
    assert not root.taps.called


@COMPILES
@pytest.mark.parametrize("tap", ["backbone", "backbone.layer"])
def test_more_views_are_not_compiled_again(tap: str) -> None:
    torch.compiler.reset()
    root, graphs = host(tap), CompileCounterWithBackend("eager")
    root.backbone.compile(backend=graphs)
    counts = []
    for number in (2, 12):
        with root.taps.watch(root, views(number)):
            for view in views(number):
                root.backbone(view)
            assert len(root.taps.features(range(number))) == number
        counts.append(graphs.frame_count)
    assert counts[0] == counts[1]


def test_taps_leave_the_state_as_it_was() -> None:
    plain, tapped = host(), host("backbone", "momentum.layer")
    assert list(plain.state_dict()) == list(tapped.state_dict())
    assert [name for name, _ in plain.named_modules()] == [n for n, _ in tapped.named_modules()]
    plain.load_state_dict(tapped.state_dict())
