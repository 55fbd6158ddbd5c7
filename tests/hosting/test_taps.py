"""Features taken from a host's submodules while its training step runs."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

from augself_loss.errors import FeatureError, LossError
from augself_loss.taps import FeatureTaps

BATCH, DIM = 4, 3


class Backbone(nn.Module):
    """Changes its input before its layer sees it, as a stem does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * 2).relu()


class Host(nn.Module):
    """A host's module with two backbones, and taps of its own."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.momentum = copy.deepcopy(self.backbone)
        if names:
            self.taps = FeatureTaps(self, names)


class Pair(nn.Module):
    """Returns something else than one tensor."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def host(*names: str) -> Host:
    torch.manual_seed(0)
    return Host(*names)


def views(count: int = 2) -> list[Tensor]:
    return list(torch.randn(count, BATCH, 5, generator=torch.Generator().manual_seed(1)))


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


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


def shuffled(x: Tensor) -> Tensor:
    return x[torch.tensor([2, 0, 3, 1])]


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "copied": torch.clone,
    "half": lambda x: x.half(),
    "half and back": lambda x: x.half().float(),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
    "times one": lambda x: x * 1.0,
    "shuffled": shuffled,
    "normalized": lambda x: (x - 0.4) / 0.2,
}


class Images(nn.Module):
    """Returns features that say which image they are of, in any precision."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.float().flatten(1)
        return torch.stack([flat.argmax(1), flat.argmin(1)], dim=1).float() * self.weight


def pictures(count: int = 2) -> list[Tensor]:
    return [view.reshape(BATCH, 3, 4, 4) for view in torch.rand(count, BATCH, 48)]


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("changed_first", [True, False])
def test_a_view_that_the_host_changed_is_known_beside_one_that_it_did_not(
    change: str, layout: torch.memory_format, changed_first: bool
) -> None:
    torch.manual_seed(0)
    root, given = nn.ModuleDict({"query": Images(), "key": Images()}), pictures()
    taps = FeatureTaps(root, ("query", "key"))
    with taps.watch(root, given):
        calls = [
            lambda: root["key"](CHANGES[change](given[0]).contiguous(memory_format=layout)),
            lambda: root["query"](given[1]),
        ]
        for call in calls if changed_first else reversed(calls):
            call()
        found = taps.features([0, 1])
    assert same([f.long() for f in found], [Images()(view).long() for view in given])


@pytest.mark.parametrize(
    "joined",
    [
        lambda a, b: torch.stack([a, b], dim=1).flatten(0, 1),
        lambda a, b: torch.cat([b, a]),
        lambda a, b: torch.cat([a.flip(0), b]),
        lambda a, b: torch.cat([a, b])[torch.randperm(2 * BATCH)],
        lambda a, b: torch.cat([b.half(), a.half()]),
        lambda a, b: torch.cat([a, b]).flatten(1),
    ],
    ids=["interleaved", "other order", "one reversed", "all shuffled", "half", "flat"],
)
def test_rows_of_a_joined_batch_are_matched_to_their_images(joined: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    root, given = nn.ModuleDict({"backbone": Images()}), pictures()
    taps = FeatureTaps(root, "backbone")
    with taps.watch(root, given):
        root["backbone"](joined(*given))
        found = taps.features([0, 1])
    assert same([f.long() for f in found], [Images()(view).long() for view in given])


def test_a_known_view_is_kept_whatever_other_calls_are() -> None:
    """The teacher sees view 0, the student view 1 and all others at once (MSN)."""
    root, given = host("backbone", "momentum"), views(4)
    with root.taps.watch(root, given):
        teacher = root.momentum(given[0])
        student = root.backbone(given[1])
        root.backbone(torch.cat(given[2:]))
        assert same(root.taps.features([0, 1]), [teacher, student])


def test_one_view_that_passes_twice_is_one_view() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        root.backbone(given[0])
        first = root.backbone(given[0])
        with pytest.raises(FeatureError, match=r"none for \[1\]"):
            root.taps.features([0, 1])
        assert same(root.taps.features([0]), [first])
    one = given[0]
    with root.taps.watch(root, [one, one]):
        out = root.backbone(one)
    assert same(root.taps.features([0, 1]), [out, out])


class Shuffling(nn.Module):
    """Shuffles the batch inside, and puts the features back in order."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.net, self.factor = Images(), factor

    def forward(self, x: Tensor) -> Tensor:
        order = torch.tensor([2, 0, 3, 1])
        out: Tensor = self.net(x[order] * self.factor)
        return out[order.argsort()]


def test_a_shuffle_inside_of_a_module_that_was_given_the_view_is_seen() -> None:
    root, given = nn.ModuleDict({"encoder": Shuffling()}), pictures()
    taps = FeatureTaps(root, "encoder.net")
    with taps.watch(root, given):
        for view in given:
            root["encoder"](view)
    assert same(taps.features([0, 1]), [Images()(view) for view in given])
    root["encoder"].factor = 2.0  # what is shuffled and scaled at once cannot be known
    with taps.watch(root, given):
        for view in given:
            root["encoder"](view)
    with pytest.raises(FeatureError, match=r"none for \[0, 1\] that is proven"):
        taps.features([0, 1])


@pytest.mark.parametrize("change", ["sin", "written into", "all alike"])
def test_what_cannot_be_proven_is_refused_unless_the_order_is_promised(change: str) -> None:
    root, given = host(), views()
    promised = FeatureTaps(root, "backbone", in_order=True)
    strict = FeatureTaps(root, "backbone")
    if change == "all alike":
        given = [given[0], 2 * given[0] + 1]
    ways = {
        "sin": torch.sin,
        "written into": lambda x: x.sub_(0.5),
        "all alike": lambda x: x * 3,
    }
    with strict.watch(root, given), promised.watch(root, given):
        outs = [root.backbone(ways[change](view)) for view in given]
    assert same(promised.features([0, 1]), outs)
    with pytest.raises(FeatureError, match=r"none for \[0, 1\]") as refused:
        strict.features([0, 1])
    for part in ("backbone: [(4, 3), (4, 3)]", "a module around it", "augself(", "in_order=True"):
        assert part in str(refused.value)


@pytest.mark.parametrize("step", [0, 1])
def test_a_promised_order_is_held_against_what_is_known(step: int) -> None:
    root, given = host(), views()
    taps = FeatureTaps(root, ("momentum", "backbone"), in_order=True)
    for _ in range(step):
        with taps.watch(root, given):
            root.momentum(given[0].sin())
            root.backbone(given[1])
        assert len(taps.features([0, 1])) == 2
    with taps.watch(root, given):
        root.backbone(given[0])
        root.momentum(given[1].sin())
    with pytest.raises(FeatureError, match="in the place of view"):
        taps.features([0, 1])


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


def no_grad(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return call(x)


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
    root.backbone.requires_grad_(False)  # frozen on purpose
    step()
    assert len(root.taps.features([0, 1])) == 2
    root.backbone.requires_grad_(True)
    root.eval()
    step()
    assert len(root.taps.features([0, 1])) == 2


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
    with pytest.raises(FeatureError, match=r"forward_features\(\).*'….norm', with pool="):
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


@pytest.mark.parametrize("names", [(), []])
def test_no_tap_is_refused(names: Any) -> None:
    with pytest.raises(LossError, match="at least one submodule's name, found none"):
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
    for part in ("views [0, 1] of 3", "none for [1]", "backbone: [(4, 3)], momentum: [(4, 3)]"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "given_in", [lambda a, b: [a + b], lambda a, b: [a.sin(), b, b], lambda a, b: [a[:3], b[:3]]]
)
def test_calls_that_match_no_views_are_refused(given_in: Callable[..., list[Tensor]]) -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        for x in given_in(*given):
            root.backbone(x)
        with pytest.raises(FeatureError, match="of 2 views of 4 samples"):
            root.taps.features([0, 1])


@pytest.mark.parametrize(("module", "found"), [(Pair(), "tuple"), (nn.MSELoss(), "Tensor")])
def test_an_output_that_is_no_batch_is_refused(module: nn.Module, found: str) -> None:
    root, given = nn.ModuleDict({"backbone": module}), views()
    taps = FeatureTaps(root, "backbone")
    args = given if found == "Tensor" else given[:1]
    with taps.watch(root, given), pytest.raises(FeatureError, match=f"'backbone'.* found {found}"):
        module(*args)
