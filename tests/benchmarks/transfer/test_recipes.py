"""Recipes: what differs from what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytest.importorskip("kornia")

from transfer import recipes
from transfer.augmentations import Augmentation, SeededViews, pipeline
from transfer.config import ARMS, METHODS
from transfer.objectives import METHODS as COMPARED

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import split_views


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", ["offline", "pack", "stl10", "imagenet100", "imagefolder"])
def test_arms_differ_in_the_term_alone(data: str, method: str) -> None:
    plain, augself = (
        recipes.configure(data, method, 1, augself=augself).as_dict() for augself in (False, True)
    )
    assert {key for key in plain if plain[key] != augself[key]} == {"types", "arm"}
    assert set(augself["types"]) == {"crop", "color"}


@pytest.mark.parametrize("method", METHODS)
def test_a_recipes_runs_bear_a_name_of_their_own(method: str) -> None:
    plain, augself, share = (
        recipes.configure(
            "offline-webp", method, 1, augself=arm, variant=variant, recipe="resnet18"
        )
        for arm, variant in ((False, ""), (True, ""), (True, "gradient-share"))
    )
    assert plain.data == recipes.place("offline-webp", "resnet18") == "offline-webp-resnet18"
    one, two, three = (config.as_dict() for config in (plain, augself, share))
    assert {key for key in one if one[key] != two[key]} == {"types", "arm"}
    assert {key for key in three if two.get(key) != three[key]} == {"share", "variant"}
    assert (plain.network, plain.picture, plain.view, plain.epochs) == ("resnet18", 80, 64, 100)
    assert (plain.apply, plain.resident, share.share) == ("fused", True, 0.5)
    small = recipes.configure("offline", method, 1, augself=False).as_dict()
    assert {"resident", "share", "apply"}.isdisjoint(small), "runs from before go on"
    assert recipes.ORDER["resnet18"][0] == "simclr"


def test_the_papers_recipe() -> None:
    stl10 = recipes.configure("stl10", "simsiam", 0, augself=True)
    assert (stl10.network, stl10.view, stl10.epochs, stl10.batch) == ("resnet18", 96, 200, 256)
    assert (stl10.lr, stl10.weight_decay) == (0.03, 5e-4)
    assert stl10.types == {"crop": 1.0, "color": 1.0}
    imagenet = recipes.configure("imagenet100", "simsiam", 0, augself=True)
    assert (imagenet.network, imagenet.epochs, imagenet.lr) == ("resnet50", 500, 0.05)
    assert imagenet.types == {"crop": 0.5, "color": 0.5}
    assert imagenet.augmentation.blur_kernel == 23


@pytest.mark.parametrize("variant", recipes.VARIANTS)
def test_a_variants_types_are_recorded_by_its_pipeline(variant: str) -> None:
    config = recipes.configure("offline", "simclr", 0, augself=True, variant=variant)
    recorded = KorniaRecorder(pipeline(config.augmentation, config.view)).encoders
    assert set(config.types) <= {encoder.name for encoder in recorded}
    main = recipes.configure("offline", "simclr", 0, augself=True)
    assert config != main
    assert config.name == f"simclr-augself-{variant}-s0"


def test_overridden_weights_leave_the_plain_arm_plain() -> None:
    given = {"types": {"crop": 5.0}, "epochs": 2}
    plain, augself = (
        recipes.configure("offline", "moco", 0, augself=augself, overrides=given)
        for augself in (False, True)
    )
    assert (plain.types, augself.types) == ({}, {"crop": 5.0})
    assert plain.epochs == augself.epochs == 2


@pytest.mark.parametrize("method", COMPARED)
@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_differs_from_plain_in_its_objective_alone(arm: str, method: str) -> None:
    objective, augself = ARMS[arm]
    plain, config = (
        recipes.configure("offline", method, 1, augself=a, objective=o)
        for o, a in (("", False), (objective, augself))
    )
    assert (config.arm, plain.arm) == (arm, "plain")
    one, two = plain.as_dict(), config.as_dict()
    assert {"objective", "options"}.isdisjoint(one), "runs from before go on"
    differ = {key for key in two if one.get(key) != two[key]} - {"arm"}
    named = {"objective"} | ({"options"} if config.options else set())
    assert differ == (named if objective else set()) | ({"types"} if augself else set())


def test_one_option_leaves_the_others() -> None:
    given = {"options": {"equivariance": 0.5}}
    stl = recipes.configure("offline", "moco", 0, augself=False, objective="stl", overrides=given)
    assert stl.options == {**recipes.NEIGHBOURS["stl"]["moco"], "equivariance": 0.5}
    plain = recipes.configure("offline", "moco", 0, augself=False, overrides=given)
    assert plain.options == {}


@pytest.mark.parametrize("apply", ["kornia", "fused"])
def test_what_objectives_see_besides_leaves_the_shared_views(apply: Any) -> None:
    pictures = torch.randint(0, 256, (8, 3, 40, 40), dtype=torch.uint8)
    made = {
        objective: SeededViews(Augmentation(), 32, 1, apply, objective)(pictures, 3)
        for objective in ("", "cassle", "equimod", "essl", "stl")
    }
    one, two, _ = made[""]
    for objective in ("cassle", "equimod", "essl"):
        assert torch.equal(made[objective][0], one)
        assert torch.equal(made[objective][1], two)
    plain, small = made["equimod"][2], made["essl"][2]
    assert (plain.shape[-2:], small.shape[-2:]) == ((32, 32), (16, 16))
    mean = pictures.float().mean((2, 3)) / 255
    torch.testing.assert_close(plain.mean((2, 3)), mean, rtol=0, atol=5e-3)


def test_partners_share_all_but_the_flip() -> None:
    pictures = torch.randint(0, 256, (8, 3, 40, 40), dtype=torch.uint8)
    plain = SeededViews(Augmentation(), 32, 1)(pictures, 3)
    views = SeededViews(Augmentation(), 32, 1, objective="stl")
    *made, packed = views(pictures, 3)
    for one, other in zip(plain, made, strict=False):
        assert torch.equal(one[0::2], other[0::2])
    for record in split_views([*made, packed], views.recorder.layout)[1]:
        alike = {n for n, entry in record.items() if torch.equal(entry[0::2], entry[1::2])}
        assert alike == {"crop", "color", "color_order", "grayscale"}
    blurred = SeededViews(Augmentation(blur=0.5), 32, 1, objective="stl")
    assert "blur" not in blurred.recorder.recorders[0].shared


def test_who_applies_the_augmentation_is_told_where_it_is_not_kornia() -> None:
    before = recipes.configure("pack", "simclr", 0, augself=True)
    fused = recipes.configure("pack", "simclr", 0, augself=True, overrides={"apply": "fused"})
    assert "apply" not in before.as_dict(), "runs from before there was a choice go on"
    assert {**before.as_dict(), "apply": "fused"} == fused.as_dict()
    pictures = torch.randint(0, 256, (8, 3, 40, 40), dtype=torch.uint8)
    one, other = (
        SeededViews(config.augmentation, config.view, config.seed, config.apply)(pictures, 3)
        for config in (before, fused)
    )
    assert torch.equal(one[-1], other[-1]), "their records are the same"
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "simclrr"}, "method expected one of simsiam"),
        ({"variant": "blurry"}, "variant expected one of crop-only"),
        ({"augself": False, "variant": "layer3"}, "its plain run is the main one"),
        ({"overrides": {"epoch": 3}}, "found epoch"),
        ({"recipe": "resnet50"}, "recipe expected one of resnet18"),
        ({"data": "stl10", "recipe": "resnet18"}, "stl10 has the paper's recipe"),
        ({"objective": "looc"}, "objective expected one of cassle, equimod, stl, essl, found"),
        ({"objective": "stl", "method": "byol"}, "out of simclr, moco, simsiam, found 'byol'"),
        ({"objective": "cassle", "method": "supervised"}, "found 'supervised'. Ask for those"),
        ({"objective": "essl", "method": "swav"}, "--methods simclr moco simsiam"),
        ({"objective": "equimod", "variant": "jitter-weak"}, "in the main grid alone"),
        ({"objective": "equimod", "overrides": {"options": {"rank": 4}}}, "weight, found rank"),
        ({"objective": "cassle", "overrides": {"options": {"weight": 1}}}, "some of none"),
    ],
)
def test_what_makes_no_run_is_refused(arguments: dict[str, Any], said: str) -> None:
    given = {"data": "offline", "method": "simsiam", "augself": True, **arguments}
    with pytest.raises(recipes.RecipeError, match=said):
        recipes.configure(given.pop("data"), given.pop("method"), 0, **given)
