"""Subclasses of torchvision's transforms: those that only set arguments, and those with code."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss import PipelineError
from augself_loss.encoders.blur import BlurEncoder
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder


class Blurred(v1.RandomApply):
    """As DINOv2 writes it: another meaning of an argument, and a pipeline of its own."""

    def __init__(self, *, p: float = 0.5, radius_min: float = 0.1, radius_max: float = 2.0) -> None:
        kept = 1 - p
        blur = v1.GaussianBlur(kernel_size=9, sigma=(radius_min, radius_max))
        super().__init__(transforms=[blur], p=kept)
        self.transform = blur


class Cropped(v2.RandomResizedCrop):
    """A crop of one's own defaults."""

    note = "of the paper"

    def __init__(self, size: int = 8) -> None:
        super().__init__(size, scale=(0.3, 0.6))


class CroppedSmaller(Cropped):
    def __init__(self) -> None:
        super().__init__(6)


class Jittered(v1.ColorJitter):
    def __init__(self) -> None:
        super().__init__(brightness=0.4)


class Steps(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(v2.RandomHorizontalFlip(), v2.ColorJitter(0.4))


class Scaled(v1.Normalize):
    def __init__(self) -> None:
        super().__init__((0.5,) * 3, (0.5,) * 3)


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8))


PAIRS: dict[str, tuple[Any, Any]] = {
    "a container": (Blurred(p=0.2), v1.RandomApply([v1.GaussianBlur(9, (0.1, 2.0))], p=0.8)),
    "a crop": (Cropped(), v2.RandomResizedCrop(8, scale=(0.3, 0.6))),
    "two deep": (CroppedSmaller(), v2.RandomResizedCrop(6, scale=(0.3, 0.6))),
    "a sequence": (Steps(), nn.Sequential(v2.RandomHorizontalFlip(), v2.ColorJitter(0.4))),
    "without randomness": (
        v1.Compose([v1.ColorJitter(0.4), v1.ToTensor(), Scaled()]),
        v1.Compose([v1.ColorJitter(0.4), v1.ToTensor(), v1.Normalize((0.5,) * 3, (0.5,) * 3)]),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_only_sets_arguments_is_read_as_what_it_sets(name: str) -> None:
    mine, plain = PAIRS[name]
    recorders = [TorchvisionRecorder(mine), TorchvisionRecorder(plain)]
    recorders.append(pickle.loads(pickle.dumps(recorders[0])))
    assert repr(recorders[0].encoders) == repr(recorders[1].encoders)
    for seed in range(3):
        made = []
        for run in (*recorders, lambda image: (mine(image), {})):
            torch.manual_seed(seed)
            made.append(run(picture()))
        views = [np.asarray(view) for view, _ in made]
        assert all(np.array_equal(view, views[-1]) for view in views)
        for _, record in made[1:-1]:
            assert all(torch.equal(record[entry], made[0][1][entry]) for entry in record)


def test_changes_are_followed_as_of_any_other() -> None:
    crop = Cropped()
    recorder = TorchvisionRecorder(crop)
    crop.size = (5, 5)
    assert recorder(torch.rand(3, 20, 20))[0].shape == (3, 5, 5)
    jitter = Jittered()
    recorder = TorchvisionRecorder(jitter)
    jitter.brightness = (0.1, 1.9)
    with pytest.raises(PipelineError, match="'ColorJitter' expected"):
        recorder(picture())


class DrawsAlone(v2.RandomHorizontalFlip):
    def __init__(self) -> None:
        super().__init__(p=1.0)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ARG002
        return inpt


class Twice:
    def __call__(self, image: Any) -> Any:
        return super().__call__(super().__call__(image))  # type: ignore[misc]


class Mixed(Twice, v2.RandomHorizontalFlip):
    """Whatever the other base brings along."""


class CallsOtherwise(v1.Compose):
    def __call__(self, img: Any) -> Any:
        return super().__call__(super().__call__(img))


class Tuned(v2.RandomRotation):
    def __init__(self) -> None:
        super().__init__(10)

    @property
    def degrees(self) -> list[float]:
        return [-90.0, 90.0]

    @degrees.setter
    def degrees(self, value: Any) -> None:
        pass


def patched() -> Any:
    crop = Cropped()
    crop.forward = lambda image: image  # type: ignore[method-assign]
    return crop


class Stronger(v2.RandAugment):
    def __init__(self) -> None:
        super().__init__(magnitude=20)


@pytest.mark.parametrize(
    ("transform", "says"),
    [
        (DrawsAlone(), "found 'DrawsAlone'"),
        (CallsOtherwise([v1.ColorJitter(0.4)]), "found 'CallsOtherwise'"),
        (Mixed(), "found 'Mixed'"),
        (Tuned(), "found 'Tuned'"),
        (patched(), "found 'Cropped'"),
        (Stronger(), "found 'Stronger'. It may move pixels.*Take it out"),
    ],
)
def test_what_has_code_of_its_own_is_refused_by_its_name(transform: Any, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        TorchvisionRecorder(transform)


def test_what_a_user_says_of_it_comes_first() -> None:
    class Mine(v2.GaussianBlur):
        def __init__(self) -> None:
            super().__init__(3)

    class ReadsMine(BlurEncoder):
        torchvision = {"Mine": BlurEncoder.torchvision["GaussianBlur"]}

    assert not TorchvisionRecorder(Mine(), ignore=[Mine], types=["flip"]).layout.keys() - {"flip"}
    read = TorchvisionRecorder(Mine(), encoders=[ReadsMine((0.1, 2.0))])
    assert isinstance(read.encoders[0], ReadsMine)


def test_objects_that_make_views_hold_them_too() -> None:
    class Two:
        def __init__(self) -> None:
            self.first, self.second = Blurred(), v1.Compose([Blurred(), v1.RandomHorizontalFlip()])

        def __call__(self, image: Any) -> list[Any]:
            return [self.first(image), self.second(image)]

    *views, packed = ViewsRecorder(Two())(picture())
    assert len(views) == 2
    assert packed.shape[0] == 2
