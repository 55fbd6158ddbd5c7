"""A data set that holds a list of pipelines, as SwAV's does, returns records beside its views."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import public_scripts as public
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.one_by_one import one_by_one
from augself_loss.recording.torchvision import TorchvisionRecorder

IMAGES = [
    Image.fromarray(np.random.RandomState(i).randint(0, 256, (40, 50, 3), dtype=np.uint8))
    for i in range(6)
]


def recorded(dataset: public.MultiCropDataset) -> MultiViewRecorder:
    """Add AugSelf's two lines to a script with such a data set."""
    recorder = MultiViewRecorder([TorchvisionRecorder(t) for t in dataset.trans])
    dataset.trans = one_by_one(recorder)
    return recorder


def epoch(dataset: Any) -> tuple[list[Any], list[Any]]:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    samples = [dataset[i] for i in range(len(dataset))]
    return samples, [random.random(), np.random.rand(), torch.rand(1)]


@pytest.mark.parametrize("return_index", [False, True])
def test_swav_s_data_set_returns_its_views_and_their_records(return_index: bool) -> None:
    plain, dataset = (public.MultiCropDataset(IMAGES, return_index) for _ in range(2))
    recorder = recorded(dataset)
    samples, following = epoch(dataset)
    expected, expected_following = epoch(plain)
    assert following == expected_following
    whole = MultiViewRecorder([TorchvisionRecorder(t) for t in plain.trans])
    plain.trans = [whole]  # makes all views of an image at once
    all_at_once, _ = epoch(plain)
    for sample, same, (at_once,) in zip(
        samples,
        expected,
        [one[1] if return_index else one for one in all_at_once],
        strict=True,
    ):
        made = sample[1] if return_index else sample
        views, records = split_views([v[None] for v in made], recorder.layout)
        for view, other in zip(views, same[1] if return_index else same, strict=True):
            assert torch.equal(view[0], other)
        assert torch.equal(made[-1], at_once[-1])
        assert [view.shape[-1] for view in views] == [public.SIZE] * 2 + [public.LOCAL] * 3
        areas = [float(record["crop"][0, 2:].prod()) for record in records]
        assert min(areas[:2]) > 0.13
        assert max(areas[2:]) < 0.16


def test_it_passes_to_workers() -> None:
    dataset = public.MultiCropDataset(IMAGES)
    recorded(dataset)
    copied = pickle.loads(pickle.dumps(dataset))
    for made, again in zip(epoch(dataset)[0], epoch(copied)[0], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(made, again, strict=True))


def test_what_is_called_out_of_its_turn_is_refused() -> None:
    recorder = MultiViewRecorder(TorchvisionRecorder(v2.RandomHorizontalFlip()))
    others = one_by_one(MultiViewRecorder(TorchvisionRecorder(v2.RandomHorizontalFlip())))
    first, second, last = one_by_one(recorder)
    image, other = IMAGES[:2]
    for calls in (
        [(second, image)],
        [(last, image)],
        [(first, image), (last, image)],
        [(first, image), (second, other)],
        [(first, image), (others[1], image)],
        [(first, image), (second, image), (second, image)],
        [(first, image), (second, image), (last, other)],
        [(first, image), (second, image), (last, image), (last, image)],
    ):
        *before, (call, given) = calls
        for right, one in before:
            right(one)
        with pytest.raises(PipelineError, match="one_by_one expected its 3 entries to be called"):
            call(given)
    assert len([call(image) for call in (first, second, last)]) == 3
