"""MixUp and CutMix: a mixed image has no record of its own; what happens before and after views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import default_collate
from torchvision.transforms import v2

from augself_loss import AugSelf, FeatureError
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

ONE = TorchvisionRecorder(v2.Compose([v2.RandomResizedCrop(12), v2.RandomHorizontalFlip()]))
RECORDER = MultiViewRecorder(ONE)
MIXES = pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
Mix = Callable[..., Any]


def batch() -> Any:
    return default_collate([(RECORDER(torch.rand(3, 16, 16)), i % 3) for i in range(6)])


def network() -> tuple[nn.Sequential, AugSelf]:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(432, 8))
    model = nn.Sequential(backbone, nn.Linear(8, 3))
    return model, AugSelf(model, RECORDER, {"crop": 1.0}, taps="0")


@MIXES
def test_records_pass_a_mix_over_the_whole_batch_as_they_are(mix: Mix) -> None:
    """It takes the first view alone for the image, and no record, packed or not."""
    plain = (view1, view2, packed), labels = batch()
    (mixed, other, bits), soft = mix(num_classes=3)(*plain)
    assert bits is packed
    assert other is view2
    assert not torch.equal(mixed, view1)
    assert soft.shape == (len(labels), 3)
    records = split_views([mixed, other, bits], RECORDER.layout)[1]
    for record, expected in zip(records, split_views(plain[0], RECORDER.layout)[1], strict=True):
        assert all(torch.equal(record[name], expected[name]) for name in expected)


@MIXES
def test_a_view_its_record_and_labels(mix: Mix) -> None:
    rows = [(*ONE(torch.rand(3, 16, 16)), i % 3) for i in range(6)]
    view, record, labels = default_collate(rows)
    mixed, same, soft = mix(num_classes=3, labels_getter=lambda parts: parts[2])(
        view, record, labels
    )
    assert not torch.equal(mixed, view)
    assert all(same[name] is record[name] for name in record)
    assert soft.shape == (len(labels), 3)


@MIXES
def test_a_mix_of_records_in_front_of_the_images_is_refused_by_torchvision(mix: Mix) -> None:
    (view1, view2, packed), labels = batch()
    with pytest.raises(ValueError, match="Expected a batched input with 4 dims"):
        mix(num_classes=3)([packed, view1, view2], labels)


@MIXES
def test_features_of_mixed_views_are_refused(mix: Mix) -> None:
    torch.manual_seed(0)  # a mix that takes less than 2 % of another image is within rounding
    model, augself = network()
    images, labels = batch()
    view1, view2 = augself.views(images)
    mixed, soft = mix(num_classes=3)(view1, labels)
    nn.functional.cross_entropy(model(mixed), soft)
    model(view2)
    with pytest.raises(FeatureError, match=r"none for \[0\].*MixUp"):
        augself.term()


@MIXES
def test_a_mixed_copy_beside_the_views_is_right(mix: Mix) -> None:
    model, augself = network()
    images, labels = batch()
    view1, view2 = augself.views(images)
    model(view1)
    model(view2)
    expected = augself.term()

    view1, view2 = augself.views(images)
    mixed, soft = mix(num_classes=3)(view1, labels)
    base = nn.functional.cross_entropy(model(mixed), soft)
    model(view1)
    model(view2)
    assert torch.equal(augself.term(), expected)
    assert torch.isfinite(base)
