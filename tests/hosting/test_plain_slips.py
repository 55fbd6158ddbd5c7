"""AugSelf in a training loop of one's own: what is told, and what becomes of the model."""

from __future__ import annotations

import contextlib
import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from plain_parts import BATCH, WEIGHTS, base_loss, build, images, network, on_device, step
from torch import nn
from torchvision.transforms import v2

from augself_loss import AugSelf, FeatureError, LossError, PlainStep, RecordError
from augself_loss.objectives import STL
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.taps import untap


def test_one_view_alone_is_told_to_run_both() -> None:
    model = network()
    augself = build(model)
    model(augself.views(images())[0])
    with pytest.raises(FeatureError, match=r"none for \[1\]\. Run the tapped network"):
        augself.term()


def test_a_copy_made_within_a_step_is_idle() -> None:
    model = network()
    augself = build(model, feature_dim=8)
    views = augself.views(images())
    copied = copy.deepcopy(nn.ModuleList([model, augself]))
    with pytest.raises(LossError, match="expected views"):
        copied[1].term()
    base_loss(model, views)
    assert augself.term() > 0


def test_the_records_of_a_step_are_there_until_its_term() -> None:
    model = network()
    augself = build(model)
    views = augself.views(images())
    assert [len(record["crop"]) for record in augself.records] == [BATCH] * 2
    base_loss(model, views)
    augself.term()
    assert augself.records == []


def test_heads_follow_a_model_that_is_moved_after_they_were_built() -> None:
    model = network()
    augself = build(model, feature_dim=8)
    model.to("meta")
    with contextlib.suppress(NotImplementedError):  # views on meta have no values to look at
        augself.views(images())
    assert {parameter.device.type for parameter in augself.parameters()} == {"meta"}


def test_a_batch_that_is_refused_leaves_no_earlier_one_to_the_term() -> None:
    model = network()
    augself = build(model)
    base_loss(model, augself.views(images()))
    with pytest.raises(RecordError, match="neither"):
        augself.views(torch.zeros(3))
    assert augself.records == []
    with pytest.raises(LossError, match="expected views since the last term"):
        augself.term()
    _, term = step(augself, model, images())
    assert term > 0


def test_images_that_pass_after_a_step_without_a_term_are_let_go() -> None:
    model = network()
    augself = build(model)
    augself.views(images())
    seen = weakref.WeakSet()
    with torch.no_grad():
        for _ in range(100):
            validated = torch.rand(BATCH, 3, 8, 8)
            seen.add(validated)
            model(validated)
    del validated
    assert len(seen) <= 1
    with pytest.raises(FeatureError, match=r"found \d+ images, far more.*validation"):
        augself.term()
    _, term = step(augself, model, images())
    assert term > 0


@pytest.mark.parametrize("tapped", ["0", "2"])
def test_a_trained_network_can_be_scripted_without_its_hooks(tapped: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Linear(8, 8))
    augself = AugSelf(model, on_device(), WEIGHTS, taps=tapped)
    step(augself, model, images())
    assert len(model[2]._forward_hooks) == (tapped == "2")  # what runs after a tap is left alone
    assert untap(model) > 0
    scripted = torch.jit.script(model)
    pictures = torch.rand(2, 3, 8, 8)
    assert torch.equal(scripted(pictures), model(pictures))


def test_a_type_that_no_pipeline_augments_is_refused() -> None:
    crop = v2.RandomResizedCrop(8)
    for recorder in (TorchvisionRecorder(crop), TorchvisionRecorder(crop, types=["color"])):
        with pytest.raises(RecordError, match=r"augment 'color', found.*\['crop'\]. Drop 'color'"):
            AugSelf(network(), recorder, {"crop": 1.0, "color": 1.0}, taps="0")
    AugSelf(network(), TorchvisionRecorder(crop), {"crop": 1.0, "flip": 0.0}, taps="0")
    two = [TorchvisionRecorder(crop), TorchvisionRecorder(v2.ColorJitter(0.4))]
    AugSelf(network(), MultiViewRecorder(two), {"crop": 1.0, "color": 1.0}, taps="0")
    jiggled = KorniaRecorder(K.AugmentationSequential(K.ColorJiggle(0.4, 0.4, 0.4, 0.1)))
    with pytest.raises(RecordError, match="Write 'color_jiggle' in weights"):
        AugSelf(network(), jiggled, {"color": 1.0}, taps="0")


def ending_in(name: str) -> nn.Module:
    layers = {"flat": nn.Flatten(), "stem": nn.Linear(192, 8), name: nn.Linear(8, 4)}
    return nn.Sequential(OrderedDict(layers))


def test_a_model_that_ends_in_a_projector_is_not_tapped_as_a_whole() -> None:
    recorder = MultiViewRecorder(on_device())
    loops: list[Callable[..., Any]] = [
        lambda model, **named: AugSelf(model, recorder, WEIGHTS, **named),
        lambda model, **named: PlainStep(model, recorder, STL(4), **named),
    ]
    for loop in loops:
        with pytest.raises(LossError, match=r"ends in 'proj'.*find_taps.*taps='proj'"):
            loop(ending_in("proj"))
        loop(ending_in("proj"), taps="proj")
        for backbone in ("fc_norm", "layer4"):
            loop(ending_in(backbone))
