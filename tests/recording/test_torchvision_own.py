"""Augmentations of a user's own, and pipelines that no record can tell."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.encoders import BlurEncoder, RegressionEncoder
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder

APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
IMAGE = torch.randint(9, 201, (3, 44, 56), generator=torch.Generator().manual_seed(0)).byte()


def seeded(seed: int, run: Callable[[Any], Any], given: Any) -> Any:
    """Call ``run(given)`` under one seed of torch and Python."""
    torch.manual_seed(seed)
    random.seed(seed)
    return run(given)


class GaussianBlur:
    """MoCo v2's blur, which draws by Python's own random; its name is torchvision's too."""

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0)) -> None:
        self.sigma = sigma

    def __call__(self, given: Any) -> Any:
        return self.run(given)[0]

    def run(self, given: Any) -> tuple[Any, float]:
        sigma = random.uniform(*self.sigma)
        return f1.gaussian_blur(given, [5, 5], [sigma, sigma]), sigma


class ColorJitter(v2.Transform):
    """A v2 transform of a user's own under one of torchvision's names."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ARG002
        return inpt


def apply_blur(blur: GaussianBlur, given: Any) -> tuple[Any, Columns | None]:
    view, sigma = blur.run(given)
    return view, (sigma,)


def brighten(given: Any) -> Any:
    return f1.adjust_brightness(given, 1.5)


def apply_function(function: Callable[[Any], Any], given: Any) -> tuple[Any, Columns | None]:
    return function(given), (1.25,)


def apply_nothing(function: Any, given: Any) -> tuple[Any, Columns | None]:  # noqa: ARG001
    return given, None


@pytest.mark.parametrize("given", [IMAGE, f1.to_pil_image(IMAGE)], ids=["tensor", "PIL"])
@pytest.mark.parametrize("by", ["class", "instance"])
def test_a_registered_callable_is_recorded_by_its_own_report(given: Any, by: str) -> None:
    blur = GaussianBlur()
    plain = v1.Compose([v1.RandomResizedCrop(32), v1.RandomApply([blur], p=0.5)])
    key = GaussianBlur if by == "class" else blur
    recorder = TorchvisionRecorder(plain, register={key: (BlurEncoder((0.1, 2.0)), apply_blur)})
    seen = set()
    for seed in range(8):
        view, record = seeded(seed, recorder, given)
        assert np.array_equal(view, seeded(seed, plain, given))
        seen.add(float(record["blur"]))
    assert 0.0 in seen
    assert len(seen) > 3
    assert [encoder.name for encoder in recorder.encoders] == ["crop", "blur"]


@pytest.mark.parametrize("function", [brighten, lambda given: f1.invert(given)])  # noqa: PLW0108
@pytest.mark.parametrize(("apply", "sigma"), [(apply_function, 1.25), (apply_nothing, 0.0)])
def test_plain_functions_can_be_registered(function: Any, apply: Any, sigma: float) -> None:
    plain = v2.Compose([function, v2.RandomHorizontalFlip(1.0)])
    recorder = TorchvisionRecorder(plain, register={function: (BlurEncoder(), apply)})
    view, record = recorder(IMAGE)
    assert record["blur"].tolist() == [sigma]
    assert torch.equal(view, plain(IMAGE)) == (sigma > 0)


class RandomShade(v2.Transform):
    """A user's own v2 transform that draws in ``make_params``."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"shade": float(torch.empty(1).uniform_(0.5, 1.5))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return f1.adjust_brightness(inpt, params["shade"])

    _get_params, _transform = make_params, transform  # their names until torchvision 0.20


class RandomSequential(torch.nn.Sequential):
    """A container of a user's own: it may do anything with its children."""

    def forward(self, given: Any) -> Any:
        return super().forward(given) if torch.rand(1) < 0.5 else given


class ShadeEncoder(RegressionEncoder):
    """Reads RandomShade."""

    name = "shade"
    columns = ("factor",)
    identity = (1.0,)
    torchvision = {"RandomShade": lambda step: {"shade": (step.params["shade"],)}}


@pytest.mark.parametrize("inside", [v1.Compose, v2.Compose, v2.RandomOrder])
def test_an_own_encoder_reads_an_own_v2_transform(inside: Any) -> None:
    plain = inside([RandomShade(), v2.RandomHorizontalFlip()])
    encoder = ShadeEncoder((0.5, 1.5))
    recorder = TorchvisionRecorder(plain, encoders=[encoder])
    assert encoder in recorder.encoders
    for seed in range(4):
        view, record = seeded(seed, recorder, IMAGE)
        assert torch.equal(view, seeded(seed, plain, IMAGE))
        shaded = f1.adjust_brightness(IMAGE, float(record["shade"]))
        assert torch.equal(view, shaded.flip(-1) if record["flip"] else shaded)


def test_an_own_encoder_may_read_a_transform_under_a_known_name() -> None:
    class JitterEncoder(ShadeEncoder):
        torchvision = {"ColorJitter": lambda step: {"shade": (0.75,)}}  # noqa: ARG005

    recorder = TorchvisionRecorder(ColorJitter(), encoders=[JitterEncoder((0.5, 1.5))])
    assert recorder(IMAGE)[1]["shade"].tolist() == [0.75]


FLIP = v1.RandomHorizontalFlip()


@pytest.mark.parametrize(
    ("transform", "ignored"),
    [
        (v2.ElasticTransform(), v2.ElasticTransform),
        (GaussianBlur(), GaussianBlur),
        (v1.Lambda(brighten), v1.Lambda),
        (FLIP, FLIP),
        (brighten, brighten),
    ],
)
def test_ignored_randomness_is_left_out_of_the_record(transform: Any, ignored: Any) -> None:
    plain = v1.Compose([v1.RandomCrop(30), transform])
    recorder = TorchvisionRecorder(plain, ignore=[ignored])
    assert [encoder.name for encoder in recorder.encoders] == ["crop"]
    view, record = seeded(0, recorder, IMAGE)
    assert torch.equal(view, seeded(0, plain, IMAGE))
    assert record["flip"].tolist() == [0.0]


def test_an_ignored_instance_does_not_hide_its_class() -> None:
    recorder = TorchvisionRecorder(v1.Compose([FLIP, v1.RandomHorizontalFlip(1.0)]), ignore=[FLIP])
    assert recorder(IMAGE)[1]["flip"].tolist() == [1.0]


UNKNOWN: dict[str, Any] = {
    "AutoAugment": v1.AutoAugment(),
    "RandAugment": v2.RandAugment(),
    "TrivialAugmentWide": v1.TrivialAugmentWide(),
    "ElasticTransform": v2.ElasticTransform(),
    "RandomPhotometricDistort": v2.RandomPhotometricDistort(),
    "RandomZoomOut": v2.RandomZoomOut(),
    "JPEG": v2.JPEG(50),
    "FiveCrop": v1.FiveCrop(8),
    "brighten": brighten,
    "GaussianBlur": GaussianBlur(),
    "ColorJitter": ColorJitter(),
    "RandomShade": RandomShade(),
    "RandomSequential": RandomSequential(FLIP),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("inside", [None, v1.Compose, v2.RandomApply, torch.nn.Sequential])
def test_what_is_not_known_is_refused_by_name(name: str, inside: Any) -> None:
    pipeline = UNKNOWN[name]
    if inside is torch.nn.Sequential and not isinstance(pipeline, torch.nn.Module):
        pytest.skip("nn.Sequential holds modules only")
    if inside is not None:
        pipeline = inside(pipeline) if inside is torch.nn.Sequential else inside([pipeline])
    with pytest.raises(PipelineError) as refused:
        TorchvisionRecorder(pipeline)
    for part in (f"it can record, found '{name}'", f"register={{{name}: ", f"ignore=[{name}]"):
        assert part in str(refused.value)


CONFLICTS: dict[str, tuple[Callable[[ModuleType], list[Any]], str]] = {
    "two blurs": (lambda t: [t.GaussianBlur(3), t.GaussianBlur(5)], "both set 'blur'"),
    "two jitters": (
        lambda t: [t.RandomApply([t.ColorJitter(0.4)]), t.ColorJitter(0.1)], "both set 'color'",
    ),
    "crop after affine": (
        lambda t: [t.RandomAffine(10), t.RandomResizedCrop(20)],
        "'RandomResizedCrop' before 'RandomAffine', found",
    ),
    "crop after rotation": (
        lambda t: [t.RandomRotation(10), t.CenterCrop(20)], "'CenterCrop' before 'RandomRotation'",
    ),
    "turn after erasing": (
        lambda t: [t.RandomErasing(), t.RandomRotation((90, 90))],
        "'RandomRotation' before 'RandomErasing', found",
    ),
    "pad after perspective": (
        lambda t: [t.RandomPerspective(), t.RandomApply([t.Pad(2)])], "'Pad' before",
    ),
}  # fmt: skip


@APIS
@pytest.mark.parametrize("name", CONFLICTS)
def test_what_one_record_cannot_tell_is_refused(api: ModuleType, name: str) -> None:
    steps, message = CONFLICTS[name]
    with pytest.raises(PipelineError, match=message):
        TorchvisionRecorder(api.Compose(steps(api)))
    with pytest.raises(PipelineError, match="ignore="):
        TorchvisionRecorder(api.RandomOrder(steps(api)))
    first, second = steps(api)
    TorchvisionRecorder(api.Compose([first, second]), ignore=[first])
    TorchvisionRecorder(api.RandomChoice([first, second]))
    if name.startswith(("crop", "turn", "pad")):
        TorchvisionRecorder(api.Compose([second, first]))
