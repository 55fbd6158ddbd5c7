"""Which submodules return features, how wide they are, and that asking changes nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tapped import same
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from augself_loss import AugSelfLoss, FeatureError, Patches
from augself_loss.taps import FeatureTaps, find_taps

RECORD = {"flip": torch.tensor([[0.0], [1.0], [1.0]])}


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def vit(prefix: int = 1) -> nn.Module:
    return Wide(prefix) if prefix != 1 else VisionTransformer(32, 8, 2, 2, 16, 32)


class Wide(nn.Module):
    """Tokens with any number of others before them, or after them."""

    def __init__(self, prefix: int, after: int = 0) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.others = nn.Parameter(torch.randn(1, prefix + after, 16))
        self.prefix = prefix
        self.dropout = nn.Dropout(0.5)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).mT
        before, after = self.others.expand(len(x), -1, -1).tensor_split((self.prefix,), dim=1)
        return self.block(self.dropout(torch.cat([before, patches, after], dim=1)))  # type: ignore[no-any-return]


class Lightly(nn.Module):
    """As hosts hold a backbone: a projector after it, and a copy that does not run."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.momentum = copy.deepcopy(backbone)
        self.projector = nn.Sequential(nn.Flatten(), nn.Linear(width, 8), nn.ReLU())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.projector(self.backbone(x))
        return z, z.detach()


def test_a_resnet() -> None:
    model = resnet18()
    model.fc = nn.Identity()
    found = {tap.name: tap for tap in find_taps(model, images(2, 3, 64, 64))}
    assert found["avgpool"][1:] == ((2, 512, 1, 1), "maps", 512, None, "")
    assert found["layer4"][1:] == ((2, 512, 2, 2), "maps", 512, "mean", "")
    assert found["fc"][1:] == ((2, 512), "vectors", 512, None, "")
    assert {"layer3.0", "layer3", "layer4.0"} <= set(found), "blocks"
    parts = {"layer4.1", "layer4.0.conv2", "layer4.0.bn1", "layer4.0.relu", "layer4.0.downsample"}
    assert not parts & set(found), "what is layer4 itself, runs beside a shortcut, or runs twice"
    every = {tap.name for tap in find_taps(model, images(2, 3, 64, 64), every=True)}
    assert parts - every == {"layer4.0.relu"}


def test_a_backbone_in_a_host() -> None:
    host = Lightly(nn.Sequential(*list(resnet18().children())[:-1]), 512)
    found = {tap.name: tap for tap in find_taps(host, images(2, 3, 64, 64))}
    assert found["backbone"].width == 512
    assert found["backbone.7"].pool == "mean"
    assert found["projector.0"].shape == (2, 512)
    assert not any(name.startswith("momentum") for name in found)


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_tokens_before_the_patches(prefix: int) -> None:
    last = find_taps(vit(prefix), images(2, 3, 32, 32))[-2:]
    tokens = [tap for tap in last if tap.kind == "tokens"]
    assert tokens
    for tap in tokens:
        assert tap.shape == (2, 16 + prefix, 16)
        assert tap.width == 16
        assert tap.pool == (Patches(prefix) if prefix else "mean")


@pytest.mark.parametrize("size", [32, 8])
def test_what_does_not_show_is_said(size: int) -> None:
    """A class token at the end; and one patch, which no mix of tokens could be told from."""
    model = Wide(0, after=1) if size == 32 else Wide(1)
    tokens = [tap for tap in find_taps(model, images(2, 3, size, size)) if tap.kind == "tokens"]
    assert tokens
    assert all(tap.pool == "mean" and "are patches is unknown" in tap.note for tap in tokens)


def test_no_token_counts_as_prefix_after_attention() -> None:
    """The class token has seen the images there."""

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.cls = nn.Conv2d(3, 16, 8, 8), nn.Parameter(torch.randn(1, 1, 16))
            self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            patches = self.embed(x).flatten(2).mT
            return self.block(torch.cat([self.cls.expand(len(x), -1, -1), patches], dim=1))  # type: ignore[no-any-return]

    block = find_taps(Late(), images(2, 3, 32, 32))[-1]
    assert (block.name, block.pool) == ("block", "mean")
    assert "are patches is unknown" in block.note


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (2, 3, 64, 96)])
def test_maps_whose_channels_come_last(shape: tuple[int, ...]) -> None:
    swin = SwinTransformer([4, 4], 24, [1, 1], [2, 2], [2, 2])
    found = {tap.name: tap for tap in find_taps(swin, images(*shape))}
    assert found["features.0.0"].pool == "mean"
    assert found["features.0"][2:5] == ("maps", 24, "mean_channels_last")
    assert found["norm"][2:5] == ("maps", 48, "mean_channels_last")
    assert found["permute"][2:5] == ("maps", 48, "mean")


def test_a_cube_is_not_read_as_if_it_were_known() -> None:
    (tap,) = find_taps(nn.Sequential(nn.Conv2d(3, 8, 2, 2)), images(2, 3, 16, 16))
    assert "not square" in tap.note
    (tap,) = find_taps(nn.Sequential(nn.Conv2d(3, 8, 2, 2)), images(2, 3, 16, 24))
    assert (tap.pool, tap.note) == ("mean", "")


def test_video() -> None:
    (tap,) = find_taps(nn.Sequential(nn.Conv3d(3, 8, 2, 2)), images(2, 3, 4, 16, 24))
    assert (tap.width, tap.pool) == (8, "mean")


@pytest.mark.parametrize("build", [resnet18, vit, lambda: vit(4)], ids=["resnet", "vit", "wide"])
def test_every_name_is_a_tap_and_every_pool_fits(build: Callable[[], nn.Module]) -> None:
    model = build().eval()
    views = [images(3, 3, 32, 32), 1 - images(3, 3, 32, 32)]
    for tap in find_taps(model, views[0]):
        taps = FeatureTaps(model, tap.name)
        with taps.watch(model, views):
            model(torch.cat([views[1], views[0]]))
        features = taps.features([0, 1])
        augself = AugSelfLoss(tap.width, {"flip": 1.0}, hidden_dim=8, pool=tap.pool)
        assert augself(features, [RECORD, RECORD]).total > 0
        with taps.watch(model, views):
            model(views[0]), model(views[1])
        for one, other in zip(features, taps.features([0, 1]), strict=True):
            assert torch.allclose(one, other, atol=1e-5)  # batches of other sizes round otherwise


class Draws(nn.Module):
    """All that a call may change: statistics, a counter, random states, its input."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("none", None)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        random.random(), torch.rand(3)
        return self.net(x.mul_(2))  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Draws:
        super().train(mode)
        self.net[1].training = False  # a frozen norm
        return self


def test_the_model_stays_as_it_is() -> None:
    torch.manual_seed(0)
    model, given = Draws().train(), images(4, 3, 8, 8)
    model(given.clone()).sum().backward()
    before, kept = copy.deepcopy(model), given.clone()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    states = torch.get_rng_state(), random.getstate()
    with torch.no_grad():
        assert [tap.name for tap in find_taps(model, given)] == ["net.0", "net"]
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert torch.equal(given, kept)
    assert not given.requires_grad
    assert same(gradients, [p.grad for p in model.parameters() if p.grad is not None])
    assert same(list(model.state_dict().values()), list(before.state_dict().values()))
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    assert not any(m._forward_hooks for m in model.modules())


def test_a_pending_backward_pass_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    loss = model.eval()(images(3, 4)).sum()
    find_taps(model, images(3, 4))
    loss.backward()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_network_that_runs_without_gradients(mode: Any) -> None:
    """Nothing tells parts from wholes: all are listed."""

    class Frozen(Lightly):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            with mode():
                return super().forward(x)

    found = find_taps(Frozen(nn.Sequential(nn.Conv2d(3, 4, 8), nn.ReLU()), 4), images(2, 3, 8, 8))
    assert {"backbone.0", "backbone", "projector.2"} <= {tap.name for tap in found}


def test_a_method_that_runs_the_network() -> None:
    class Teacher(Lightly):
        def forward(self, x: Tensor) -> Any: ...

        def encode(self, x: Tensor) -> Tensor:
            return self.backbone(x)  # type: ignore[no-any-return]

    host = Teacher(nn.Sequential(nn.Conv2d(3, 4, 8), nn.ReLU()), 4)
    with pytest.raises(FeatureError, match=r"return tensors, found NoneType.*call=model.backbone"):
        find_taps(host, images(2, 3, 8, 8))
    names = [tap.name for tap in find_taps(host, images(2, 3, 8, 8), call=host.encode)]
    assert names == ["backbone.0", "backbone"]


def test_wrapped_and_compiled_models() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    assert find_taps(nn.DataParallel(net), images(2, 3, 2, 2)) == find_taps(net, images(2, 3, 2, 2))
    compiled = nn.ModuleDict({"backbone": torch.compile(net, backend="eager")})
    compiled["backbone"](images(2, 3, 2, 2))
    found = find_taps(compiled, images(2, 3, 2, 2), call=compiled["backbone"])
    assert "backbone" in {tap.name for tap in found}


REFUSED: dict[str, tuple[Any, str]] = {
    "a batch": (
        [torch.rand(2, 3, 8, 8)],
        r"one tensor of floating-point images .*found list.*batch\[0\]",
    ),
    "bytes": (torch.zeros(2, 3, 8, 8).byte(), r"found torch.uint8 \(2, 3, 8, 8\)"),
    "other channels": (
        torch.rand(2, 1, 8, 8),
        r"to run on images \(2, 1, 8, 8\), found RuntimeError",
    ),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        find_taps(nn.Sequential(nn.Conv2d(3, 4, 3)), given)


def test_parameters_without_a_shape_are_left_without() -> None:
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(4))
    with pytest.raises(FeatureError, match=r"'1.weight' without a shape. Run one batch first"):
        find_taps(model, images(2, 3, 8, 8))


def test_scripted_modules_are_refused() -> None:
    model = nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 3)), nn.ReLU())
    with pytest.raises(FeatureError, match=r"found '0' scripted.*before torch.jit.script"):
        find_taps(model, images(2, 3, 8, 8))


def test_a_model_without_submodules_is_asked_for_in_a_host() -> None:
    net = nn.Linear(4, 3)
    with pytest.raises(FeatureError, match=r"submodules of Linear .*found none.*call=model"):
        find_taps(net, images(2, 4))
    (tap,) = find_taps(nn.ModuleDict({"backbone": net}), images(2, 4), call=net)
    assert (tap.name, tap.width, tap.pool) == ("backbone", 3, None)


def test_it_prints_as_a_table() -> None:
    printed = repr(find_taps(vit(), images(2, 3, 32, 32)))
    head, *rows, note = printed.splitlines()
    assert head.split() == ["taps", "shape", "kind", "feature_dim", "pool"]
    assert " ".join(rows[-2].split()) == "encoder (2, 17, 16) tokens 16 Patches(prefix=1)"
    assert "class token" in note
