"""Subclasses of albumentations' transforms that only set arguments."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations_pipelines import IMAGE

from augself_loss.errors import PipelineError
from augself_loss.recording.albumentations import AlbumentationsRecorder


class Jittered(A.ColorJitter):
    def __init__(self) -> None:
        super().__init__(brightness=(0.6, 1.4), contrast=(0.6, 1.4), p=0.8)


class Either(A.OneOf):
    def __init__(self) -> None:
        super().__init__([Jittered(), A.VerticalFlip(p=1.0)], p=0.9)


class Pipeline(A.Compose):
    def __init__(self) -> None:
        super().__init__([A.RandomResizedCrop((16, 16)), Either()], seed=3)


class Turned(A.HorizontalFlip):
    def apply(self, img: Any, **_: Any) -> Any:
        return img


def plain() -> Any:
    jitter = A.ColorJitter(brightness=(0.6, 1.4), contrast=(0.6, 1.4), p=0.8)
    choice = A.OneOf([jitter, A.VerticalFlip(p=1.0)], p=0.9)
    return A.Compose([A.RandomResizedCrop((16, 16)), choice], seed=3)


def test_what_only_sets_arguments_is_read_as_what_it_sets() -> None:
    mine, theirs = AlbumentationsRecorder(Pipeline()), AlbumentationsRecorder(plain())
    again = pickle.loads(pickle.dumps(AlbumentationsRecorder(Pipeline())))
    assert repr(mine.encoders) == repr(theirs.encoders)
    alone = Pipeline()
    for _ in range(8):
        (view, record), (expected, other), (copied, _) = (
            recorder(image=IMAGE) for recorder in (mine, theirs, again)
        )
        assert np.array_equal(view["image"], alone(image=IMAGE)["image"])
        assert np.array_equal(view["image"], expected["image"])
        assert np.array_equal(view["image"], copied["image"])
        assert all(torch.equal(record[entry], other[entry]) for entry in other)


def test_what_has_code_of_its_own_is_refused() -> None:
    with pytest.raises(PipelineError, match="found 'Turned'"):
        AlbumentationsRecorder(A.Compose([Turned()]))
