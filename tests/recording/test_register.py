"""What a user registers: its form, how its function is called, and what that returns."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import public_scripts as public
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss import BlurEncoder, CropEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import split_views
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder

PICTURE = Image.fromarray((np.arange(48 * 40 * 3) % 256).astype(np.uint8).reshape(48, 40, 3))


class Own:
    """A callable of a user's, without anything that the recorder knows."""

    def __call__(self, image: Any) -> Any:
        return f1.gaussian_blur(image, [3, 3], [1.0])


def fine(own: Own, image: Any) -> tuple[Any, tuple[float]]:
    return own(image), (1.0,)


FORMS: dict[str, tuple[Any, str]] = {
    "no dict": ([Own], "register expected a dict .* found a list"),
    "a function alone": ({Own: fine}, "for 'Own', found function"),
    "an encoder alone": ({Own: BlurEncoder()}, "for 'Own', found BlurEncoder"),
    "the wrong way round": ({Own: (fine, BlurEncoder())}, "found function and BlurEncoder"),
    "an encoder's class": ({Own: (BlurEncoder, fine)}, "found the class BlurEncoder and function"),
    "a name": ({Own: ("blur", fine)}, "found str and function"),
    "nothing": ({Own: ()}, "for 'Own', found nothing"),
    "too much": ({Own: (BlurEncoder(), fine, fine)}, "found BlurEncoder and function and function"),
}


@pytest.mark.parametrize("case", FORMS)
@pytest.mark.parametrize(
    "build",
    [
        lambda register: TorchvisionRecorder(Own(), register=register),
        lambda register: ViewsRecorder(Holder(Own()), register=register),
    ],
)
def test_another_form_is_refused(case: str, build: Any) -> None:
    register, says = FORMS[case]
    with pytest.raises(PipelineError, match=says) as refused:
        build(register)
    assert re.search(r"\((encoder|BlurEncoder\(\)), apply\)", str(refused.value))


class Holder:
    """Makes two views."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, image: Any) -> Any:
        return [self.pipeline(image), self.pipeline(image)]


def swapped(image: Any, own: Any) -> Any:
    return own(image), (1.0,)


def swapped_attribute(image: Any, own: Any) -> Any:
    return image.filter(own), (1.0,)


def too_few(_own: Any) -> Any:
    return None


def view_alone(own: Any, image: Any) -> Any:
    return own(image)


def two_rows(_own: Any, _image: Any) -> Any:
    return torch.zeros(2, 8, 8)


def three(own: Any, image: Any) -> Any:
    return own(image), (1.0,), None


CALLS: dict[str, tuple[Any, str]] = {
    "swapped": (swapped, "'Own' failed, TypeError: .*apply.callable, image., the callable first"),
    "swapped, by a method": (swapped_attribute, "failed, AttributeError: .*the callable first"),
    "of one argument": (too_few, "failed, TypeError: .*positional.*the callable first"),
    "the view alone": (view_alone, "return two things, .*found Image. Write return view, "),
    "a view of two rows": (two_rows, "return two things, .*found Tensor"),
    "three things": (three, "return two things, .*found a tuple of 3"),
}


@pytest.mark.parametrize("case", CALLS)
def test_another_function_is_refused_at_the_call(case: str) -> None:
    apply, says = CALLS[case]
    recorder = TorchvisionRecorder(Own(), register={Own: (BlurEncoder(), apply)})
    with pytest.raises(PipelineError, match=says):
        recorder(PICTURE)


def test_what_a_transform_raises_itself_is_left_alone() -> None:
    class Broken(Own):
        def __call__(self, image: Any) -> Any:
            return image + None

    recorder = TorchvisionRecorder(Broken(), register={Own: (BlurEncoder(), fine)})
    with pytest.raises(TypeError, match="unsupported operand"):
        recorder(PICTURE)


def brighten(image: Any) -> Any:
    return f1.adjust_brightness(image, 1.5)


def test_a_registered_function_is_called_by_its_name() -> None:
    def apply(function: Any, image: Any) -> Any:
        return function(image), (9.0,)

    recorder = TorchvisionRecorder(brighten, register={brighten: (BlurEncoder(), apply)})
    with pytest.raises(PipelineError, match="'brighten' expected sigma"):
        recorder(PICTURE)


class RandomResizedCropAndInterpolation:
    """timm's: it draws by Python's random, and an interpolation too."""

    def __init__(self, size: int) -> None:
        self.size, self.scale, self.ratio = (size, size), (0.08, 1.0), (0.75, 1.33)

    @staticmethod
    def get_params(image: Any, scale: Any, _ratio: Any) -> tuple[int, int, int, int]:
        side = int(random.uniform(*scale) * min(image.size))
        return (
            random.randint(0, image.size[1] - side), random.randint(0, image.size[0] - side),
            side, side,
        )  # fmt: skip

    def __call__(self, image: Any) -> Any:
        box = self.get_params(image, self.scale, self.ratio)
        how = random.choice([f1.InterpolationMode.BILINEAR, f1.InterpolationMode.BICUBIC])
        return f1.resized_crop(image, *box, self.size, how)


def read_crop(crop: Any, image: Any) -> Any:
    """Read what a crop will draw, as docs/torchvision.md says, and let it draw."""
    state = random.getstate()
    top, left, height, width = crop.get_params(image, crop.scale, crop.ratio)
    random.setstate(state)
    rows, columns = image.height, image.width
    return crop(image), (top / rows, left / columns, height / rows, width / columns)


def test_a_crop_that_draws_by_itself_may_be_registered() -> None:
    crop = RandomResizedCropAndInterpolation(16)
    register = {RandomResizedCropAndInterpolation: (CropEncoder(), read_crop)}
    plain = v2.Compose([v2.RandomHorizontalFlip(), crop])
    recorder = TorchvisionRecorder(plain, register=register)
    mirrored = set()
    for seed in range(12):
        views = []
        for run in (plain, lambda image: recorder(image)[0]):
            random.seed(seed)
            torch.manual_seed(seed)
            views.append(run(PICTURE))
        assert views[0].tobytes() == views[1].tobytes()
        random.seed(seed)
        torch.manual_seed(seed)
        record = recorder(PICTURE)[1]
        random.seed(seed)
        top, left, height, width = crop.get_params(PICTURE, crop.scale, crop.ratio)
        flipped = bool(record["flip"])
        left = 40 - left - width if flipped else left
        wanted = [top / 48, left / 40, height / 48, width / 40]
        assert record["crop"].tolist() == pytest.approx(wanted, abs=1e-6)
        mirrored.add(flipped)
    assert mirrored == {False, True}


PAGE = Path(__file__).parents[2] / "docs" / "torchvision.md"


def test_the_blur_of_sthalles_simclr_is_registered_as_the_page_says() -> None:
    (snippet,) = re.findall(r"def apply_blur.*?\n\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    scope: dict[str, Any] = {"np": np}
    exec(compile(snippet, str(PAGE), "exec"), scope)
    pipeline = public.pipeline(public.ConvolvingBlur(3))
    register = {public.ConvolvingBlur: (BlurEncoder((0.1, 2.0)), scope["apply_blur"])}
    plain = public.ContrastiveLearningViewGenerator(pipeline)
    with pytest.raises(PipelineError, match="found 'ConvolvingBlur'"):
        ViewsRecorder(plain)
    recorder = ViewsRecorder(plain, register=register)
    made = []
    for run in (plain, recorder):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        made.append(run(PICTURE))
    *views, packed = made[1]
    assert all(map(torch.equal, made[0], views))
    np.random.seed(0)
    batch = [one[None] for one in (*views, packed)]
    for record in split_views(batch, recorder.layout)[1]:
        assert float(record["blur"]) == pytest.approx(np.random.uniform(0.1, 2.0))
