"""Taps in backbones of timm, Transformers, torchvision and Lightly, as docs/taps.md lists them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("timm")
pytest.importorskip("transformers")
pytest.importorskip("lightly")

import timm
import torch
import transformers
from lightly.models.modules import MaskedVisionTransformerTIMM, MaskedVisionTransformerTorchvision
from tapped import same
from torch import Tensor, nn
from torchvision.models import convnext_tiny, resnet50, swin_t
from torchvision.models.vision_transformer import VisionTransformer

from augself_loss import AugSelfLoss, FeatureError, Patches
from augself_loss.taps import FeatureTaps, FoundTaps, find_taps

pytestmark = pytest.mark.host

PAGE = (Path(__file__).parents[2] / "docs" / "taps.md").read_text(encoding="utf-8")
RECORD = {"flip": torch.tensor([[0.0], [1.0]])}


def small(name: str, **options: Any) -> nn.Module:
    """Build one of timm's ViTs, two blocks deep."""
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return timm.create_model(name, **{**sizes, "num_classes": 0, **options})  # type: ignore[no-any-return]


def of_transformers(kind: str, **options: Any) -> nn.Module:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32}
    config = getattr(transformers, f"{kind}Config")
    known = config(**sizes, patch_size=8, intermediate_size=32, **options)
    return getattr(transformers, f"{kind}Model")(known)  # type: ignore[no-any-return]


SMALL: dict[str, tuple[Callable[[], nn.Module], str, str, int]] = {
    "timm": (lambda: small("vit_tiny_patch16_224"), "norm", "blocks.0", 1),
    "timm, registers": (lambda: small("vit_small_patch14_reg4_dinov2"), "norm", "blocks.0", 5),
    "timm, distilled": (lambda: small("deit_tiny_distilled_patch16_224"), "norm", "blocks.0", 2),
    "timm, no class token": (
        lambda: small("vit_tiny_patch16_224", class_token=False, global_pool="avg"),
        "blocks", "blocks.0", 0,
    ),
    "ViT": (lambda: of_transformers("ViT"), "layernorm", "layers.0", 1),
    "DeiT": (lambda: of_transformers("DeiT"), "layernorm", "layers.0", 2),
    "Dinov2": (lambda: of_transformers("Dinov2"), "layernorm", "encoder.layer.0", 1),
    "Dinov2WithRegisters": (
        lambda: of_transformers("Dinov2WithRegisters", num_register_tokens=4),
        "layernorm", "encoder.layer.0", 5,
    ),
    "DINOv3ViT": (
        lambda: of_transformers("DINOv3ViT", num_register_tokens=3), "norm", "model.layer.0", 4,
    ),
    "CLIPVision": (lambda: of_transformers("CLIPVision"), "encoder", "encoder.layers.0", 1),
    "SiglipVision": (
        lambda: of_transformers("SiglipVision"), "post_layernorm", "encoder.layers.0", 0,
    ),
    "Lightly, timm": (
        lambda: MaskedVisionTransformerTIMM(small("vit_tiny_patch16_224")),
        "vit.norm", "vit.blocks.0", 1,
    ),
    "Lightly, torchvision": (
        lambda: MaskedVisionTransformerTorchvision(VisionTransformer(32, 8, 2, 2, 16, 32)),
        "vit.encoder.ln", "vit.encoder.layers.encoder_layer_0", 1,
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize(("build", "norm", "block", "prefix"), SMALL.values(), ids=SMALL)


@EACH
def test_what_is_found(build: Any, norm: str, block: str, prefix: int) -> None:
    found = {tap.name: tap for tap in find_taps(build(), torch.rand(2, 3, 32, 32))}
    for name in (norm, block):
        assert found[name].shape == (2, 16 + prefix, 16)
        assert found[name].pool == (Patches(prefix) if prefix else "mean")


@EACH
@pytest.mark.parametrize("prefixed", ["", "backbone."])
def test_tokens_of_a_view(build: Any, norm: str, block: str, prefix: int, prefixed: str) -> None:
    """At the end and at a chosen block, called alone or in a host, all at once or view by view."""
    backbone = build().eval()  # DINOv3's positions jitter in training
    host = nn.ModuleDict({"backbone": backbone}) if prefixed else backbone
    views = list(torch.rand(2, 2, 3, 32, 32))
    for name in (norm, block):
        taps = FeatureTaps(host, f"{prefixed}{name}")
        with taps.watch(host, views):
            backbone(torch.cat([views[1], views[0]]))
        whole = taps.features([0, 1])
        with taps.watch(host, views):
            backbone(views[0]), backbone(views[1])
        apart = taps.features([0, 1])
        assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(whole, apart, strict=True))
        assert not torch.allclose(whole[0], whole[1])
        for pool, wanted in ((Patches(prefix), prefix), ("mean", 0)):
            torch.manual_seed(0)
            loss = AugSelfLoss(16, {"flip": 1.0}, hidden_dim=8, pool=pool)
            torch.manual_seed(0)
            plain = AugSelfLoss(16, {"flip": 1.0}, hidden_dim=8)
            means = [tokens[:, wanted:].mean(1) for tokens in whole]
            found, expected = loss(whole, [RECORD] * 2), plain(means, [RECORD] * 2)
            torch.testing.assert_close(found.total, expected.total)


def test_encode_is_a_method() -> None:
    """Hooks of the backbone itself do not run; the advice names what does."""
    host = nn.ModuleDict({"backbone": SMALL["Lightly, timm"][0]()})
    views = list(torch.rand(2, 2, 3, 32, 32))
    taps = FeatureTaps(host, "backbone")
    with taps.watch(host, views):
        host["backbone"].encode(torch.cat(views))
        with pytest.raises(FeatureError, match=r"'….norm'.*call=model.encode"):
            taps.features([0, 1])
    call = host["backbone"].encode
    (norm,) = [t for t in find_taps(host, views[0], call=call) if t.name.endswith(".norm")]
    taps = FeatureTaps(host, norm.name)
    with taps.watch(host, views):
        tokens = call(torch.cat(views))
    assert same(taps.features([0, 1]), list(tokens.split(2)))


@pytest.mark.parametrize("kind", ["ViT", "Dinov2"])
def test_a_whole_model_of_transformers_returns_two_tensors(kind: str) -> None:
    model, views = (
        nn.ModuleDict({"backbone": of_transformers(kind)}),
        list(torch.rand(2, 2, 3, 32, 32)),
    )
    taps = FeatureTaps(model, "backbone")
    message = r"with \['last_hidden_state', 'pooler_output'\].*find_taps"
    with taps.watch(model, views), pytest.raises(FeatureError, match=message):
        model["backbone"](views[0])


class Holder(nn.Module):
    """A host that holds backbones by name."""

    def __init__(self, **backbones: nn.Module) -> None:
        super().__init__()
        for name, backbone in backbones.items():
            setattr(self, name, backbone)

    def forward(self, x: Tensor) -> list[Any]:
        return [backbone(x) for backbone in self.children()]


def cut() -> nn.Module:
    return nn.Sequential(*list(resnet50().children())[:-1])


def projecting(*, identity: bool = False) -> nn.Module:
    net = resnet50()
    net.fc = nn.Identity() if identity else nn.Sequential(nn.Linear(2048, 8), nn.ReLU())
    return net


def masked_timm() -> nn.Module:
    return MaskedVisionTransformerTIMM(
        timm.create_model("vit_small_patch16_224", img_size=32, patch_size=8, num_classes=0)
    )


def masked_torchvision() -> nn.Module:
    return MaskedVisionTransformerTorchvision(VisionTransformer(32, 8, 12, 6, 384, 384))


def encoding() -> nn.Module:
    holder = Holder(student_backbone=masked_timm())
    holder.forward = holder.student_backbone.encode  # type: ignore[method-assign]
    return holder


ROWS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "ResNet-50 cut into a `Sequential`": (lambda: Holder(backbone=cut()), 64),
    "torchvision's ResNet-50": (lambda: Holder(backbone=resnet50()), 64),
    "the same, `fc` replaced": (lambda: Holder(backbone=projecting(identity=True)), 64),
    "SimSiam's released code": (lambda: Holder(encoder=projecting()), 64),
    "MoCo's released code": (lambda: Holder(encoder_q=projecting(), encoder_k=projecting()), 64),
    "MoCo v3's released code, ResNet-50": (lambda: Holder(base_encoder=projecting()), 64),
    "MoCo v3's released code, ViT-S": (
        lambda: Holder(base_encoder=timm.create_model("vit_small_patch16_224", img_size=32)), 32,
    ),
    "SwAV's released code": (projecting, 64),
    "timm's ResNet-50": (lambda: Holder(backbone=timm.create_model("resnet50")), 64),
    "ConvNeXt-T": (lambda: Holder(backbone=convnext_tiny()), 64),
    "Swin-T, torchvision's": (lambda: Holder(backbone=swin_t()), 64),
    "Swin-T, timm's": (
        lambda: Holder(backbone=timm.create_model("swin_tiny_patch4_window7_224", img_size=56)), 56,
    ),
    "ViT-S, timm's": (
        lambda: Holder(backbone=timm.create_model("vit_small_patch16_224", img_size=32)), 32,
    ),
    "DINOv2's ViT-S with registers": (
        lambda: Holder(backbone=timm.create_model("vit_small_patch14_reg4_dinov2", img_size=28)),
        28,
    ),
    "ViT-B, torchvision's": (
        lambda: Holder(backbone=VisionTransformer(32, 16, 2, 12, 768, 768)), 32,
    ),
    "`ViTModel`": (lambda: Holder(backbone=of_size("ViT")), 32),
    "`Dinov2Model`": (lambda: Holder(backbone=of_size("Dinov2")), 32),
    "Lightly's masked ViT of timm's": (lambda: Holder(backbone=masked_timm()), 32),
    "the same, by `.encode()`": (encoding, 32),
    "Lightly's masked ViT of torchvision's": (
        lambda: Holder(backbone=masked_torchvision(), anchor_backbone=masked_torchvision()), 32,
    ),
}  # fmt: skip


def of_size(kind: str) -> nn.Module:
    config = getattr(transformers, f"{kind}Config")(image_size=32, patch_size=16)
    return getattr(transformers, f"{kind}Model")(config)  # type: ignore[no-any-return]


def listed(name: str) -> list[str]:
    """Find the row of the page's table that begins so: its cells."""
    rows = [
        row.strip("| ").split(" | ") for row in PAGE.splitlines() if row.startswith(f"| {name}")
    ]
    (row,) = rows
    return row


def check_row(row: list[str], found: FoundTaps) -> None:
    """Hold a row against what is found: every tap with every pool that it names, and the width."""
    _, taps, pools, width = row
    by_name = {tap.name: tap for tap in found}
    names = [
        name
        for cell in re.findall(r"`([^`=]+)`", taps)  # no option, such as in_order=True
        for name in re.findall(r"[\w.]+", cell)
    ]
    names = [name for name in names if name != "global_pool"]
    parts = pools.split(";") if ";" in pools else [pools] * len(names)
    for name, part in zip(names, parts, strict=True):
        named = [eval(pool) for pool in re.findall(r"`([^`]+)`", part)]
        tap = by_name[name]
        assert tap.width == int(width)
        assert tap.pool in (named or [None])
        assert set(named) <= {tap.pool, "cls"}
        assert "cls" not in named or tap.kind == "tokens"


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_page(name: str) -> None:
    build, size = ROWS[name]
    check_row(listed(name), find_taps(build(), torch.rand(2, 3, size, size)))


def test_every_row_is_tested() -> None:
    table = PAGE.split("## By backbone")[1].split("##")[0]
    rows = [line[2:] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(ROWS)
    assert all(any(row.startswith(name) for name in ROWS) for row in rows)
