"""Wrappers that do more than run their pipeline once, and callables that leave their range."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.encoders import BlurEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder

APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
IMAGE = torch.randint(9, 201, (3, 24, 26), generator=torch.Generator().manual_seed(0)).byte()


class Wrapper:
    """A user's own class that runs a pipeline, one way or another."""

    def __init__(self, transform: Any, how: Callable[[Any, Any], Any]) -> None:
        self.transform, self.how = transform, how

    def __call__(self, image: Any) -> Any:
        return self.how(self.transform, image)


def once(run: Any, image: Any) -> Any:
    return run(image)


def never(_run: Any, image: Any) -> Any:
    return image


def two(run: Any, image: Any) -> Any:
    return run(image), run(image)


def last_of_two(run: Any, image: Any) -> Any:
    run(image)
    return run(image)


def nested(run: Any, image: Any) -> Any:
    return run(run(image))


def listed(run: Any, image: Any) -> Any:
    return [run(image)]


def other(_run: Any, image: Any) -> Any:
    return f1.hflip(image)


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "two crops": (two, "found 2 runs.*MultiViewRecorder"),
    "two runs, one view": (last_of_two, "found 2 runs.*MultiViewRecorder"),
    "run on its own view": (nested, "found 2 runs"),
    "a list of one": (listed, "found a list of 1.*MultiViewRecorder"),
    "another pipeline": (other, "found that it did not, and returned another image"),
}


@APIS
@pytest.mark.parametrize("name", REFUSED)
def test_a_wrapper_that_makes_no_single_view_is_refused(api: ModuleType, name: str) -> None:
    how, found = REFUSED[name]
    pipeline = api.Compose([api.RandomResizedCrop(16), api.RandomHorizontalFlip()])
    inside = Wrapper(Wrapper(pipeline, once), how)
    outside = api.Compose([Wrapper(Wrapper(pipeline, how), once)])
    for transform in (Wrapper(pipeline, how), inside, outside):
        recorder = TorchvisionRecorder(transform, wrappers={Wrapper: "transform"})
        for made in (recorder, pickle.loads(pickle.dumps(recorder))):
            with pytest.raises(PipelineError, match=found):
                made(IMAGE)


@pytest.mark.parametrize("how", [once, never])
def test_a_wrapper_may_leave_an_image_as_it_is(how: Any) -> None:
    flip = Wrapper(v2.RandomHorizontalFlip(1.0), how)
    both = v2.Compose([flip, Wrapper(v2.RandomVerticalFlip(1.0), once), flip])
    view, record = TorchvisionRecorder(both, wrappers={Wrapper: "transform"})(IMAGE)
    assert torch.equal(view, IMAGE.flip(-2))
    assert [float(record[name]) for name in ("flip", "vertical_flip")] == [0, 1]


class Slotted:
    """A wrapper without a dict of attributes."""

    __slots__ = ("transform",)

    def __init__(self, transform: Any) -> None:
        self.transform = transform


def test_a_wrapper_whose_attributes_cannot_be_shared_is_refused() -> None:
    with pytest.raises(PipelineError, match="'Slotted' to have a __dict__"):
        TorchvisionRecorder(Slotted(v2.RandomInvert()), wrappers={Slotted: "transform"})


def test_two_crops_without_a_word_are_refused_with_their_cure() -> None:
    with pytest.raises(PipelineError, match=r"it can record, found 'Wrapper'.*ViewsRecorder"):
        TorchvisionRecorder(Wrapper(v2.RandomInvert(), two))


def test_several_views_of_an_ignored_step_are_refused() -> None:
    crops = v1.FiveCrop(8)
    recorder = TorchvisionRecorder(v1.Compose([v1.RandomVerticalFlip(), crops]), ignore=[crops])
    with pytest.raises(PipelineError, match=r"one view, found a tuple of 5.*MultiViewRecorder"):
        recorder(IMAGE)


class Blur:
    """A blur of a user's own."""

    sigma = 1.0


def apply_blur(blur: Blur, image: Any) -> Any:
    return f1.gaussian_blur(image, [3, 3], [blur.sigma]), (blur.sigma,)


def test_a_callable_that_leaves_its_encoder_s_range_is_refused() -> None:
    blur = Blur()
    recorder = TorchvisionRecorder(blur, register={Blur: (BlurEncoder((0.1, 2.0)), apply_blur)})
    for sigma in (1.0, 2.0, 0.1):
        blur.sigma = sigma
        assert recorder(IMAGE)[1]["blur"] == pytest.approx(sigma)
    blur.sigma = 3.0
    with pytest.raises(PipelineError, match=r"'Blur' expected sigma in \(0.1, 2.0\)"):
        recorder(IMAGE)
