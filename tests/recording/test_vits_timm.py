"""timm's ``create_transform``: its views, and what is recorded of them."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as f1

pytest.importorskip("timm")

from timm.data import create_transform
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation

from augself_loss.errors import ImageError, PipelineError
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 64, 3), np.uint8)
PICTURE = Image.fromarray(PIXELS)


def training(**options: Any) -> Any:
    return create_transform(24, is_training=True, **options)


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


@pytest.mark.parametrize(
    ("options", "types"),
    [
        ({}, {"crop", "flip", "color"}),
        ({"interpolation": "random"}, {"crop", "flip", "color"}),
        ({"no_aug": True}, {"crop"}),
        ({"use_prefetcher": True}, {"crop", "flip", "color"}),
        ({"re_prob": 0.9}, {"crop", "flip", "color", "erasing"}),
        ({"re_prob": 0.9, "re_mode": "pixel", "hflip": 0.0}, {"crop", "color", "erasing"}),
        (
            {"color_jitter_prob": 0.8, "grayscale_prob": 0.2, "gaussian_blur_prob": 0.5},
            {"crop", "flip", "color", "grayscale", "blur"},
        ),
    ],
)
def test_views_are_the_pipelines_own(options: Any, types: set[str]) -> None:
    plain = training(**options)
    recorder = pickle.loads(pickle.dumps(TorchvisionRecorder(plain)))
    assert {encoder.name for encoder in recorder.encoders} == types
    for number in range(10):
        seed(number)
        expected = plain(PICTURE)
        seed(number)
        view, _ = recorder(PICTURE)
        assert torch.equal(view, expected)


def test_a_crop_is_recorded_as_it_was_made() -> None:
    crop = RandomResizedCropAndInterpolation(24, scale=(0.1, 1.0), interpolation="bilinear")
    recorder = TorchvisionRecorder(crop)
    boxes = set()
    for number in range(10):
        seed(number)
        view, record = recorder(PICTURE)
        box = [round(part) for part in (record["crop"] * torch.tensor([50, 64, 50, 64])).tolist()]
        again = f1.resized_crop(PICTURE, *box, (24, 24), f1.InterpolationMode.BILINEAR)
        assert np.array_equal(np.asarray(view), np.asarray(again))
        boxes.add(tuple(box))
    assert len(boxes) == 10


def test_an_erased_box_is_recorded_as_it_was_made() -> None:
    recorder = TorchvisionRecorder(RandomErasing(0.8, device="cpu"))
    erased = 0
    for number in range(30):
        seed(number)
        image = torch.rand(3, 20, 32) + 1
        view, record = recorder(image.clone())
        top, left, height, width = (record["erasing"] * torch.tensor([20, 32, 20, 32])).tolist()
        expected = image.clone()
        rows = slice(round(top), round(top + height))
        expected[:, rows, round(left) : round(left + width)] = 0
        assert torch.equal(view, expected)
        erased += bool(height)
    assert 15 < erased < 30


def test_two_views_of_a_batch() -> None:
    recorder = MultiViewRecorder(TorchvisionRecorder(training(re_prob=0.5)), views=2)
    rows = torch.utils.data.default_collate([recorder(PICTURE) for _ in range(3)])
    views, records = split_views(rows, recorder.layout)
    assert [view.shape for view in views] == [torch.Size([3, 3, 24, 24])] * 2
    assert not torch.equal(records[0]["crop"], records[1]["crop"])


def test_what_moves_pixels_otherwise_is_refused() -> None:
    pipeline = training(auto_augment="rand-m9-mstd0.5-inc1")
    with pytest.raises(PipelineError, match=r"'RandAugment'\. It may move pixels: .*Take it out"):
        TorchvisionRecorder(pipeline)


def test_an_erasing_that_no_record_holds() -> None:
    with pytest.raises(PipelineError, match=r"max_count=1, found 3: .*ignore=\[RandomErasing\]"):
        TorchvisionRecorder(RandomErasing(0.5, max_count=3, device="cpu"))
    alone = TorchvisionRecorder(RandomErasing(0.5, device="cpu"))
    with pytest.raises(ImageError, match=r"\(C, H, W\), found Image\. .*MaybeToTensor"):
        alone(PICTURE)
    never = training(re_prob=0.5)
    never.transforms[-1].probability = 0.0
    assert "erasing" not in TorchvisionRecorder(never).layout
