"""solo-learn's transforms, recorded: the views are its own, and the records tell how they came."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("solo")

import solo_learn_modules as solo
import torch
from mystery import RandomMystery
from PIL import Image, ImageFilter, ImageOps
from solo.utils import pretrain_dataloader as transforms
from torch import Tensor
from torchvision.transforms import functional

from augself_loss import GrayscaleEncoder, PipelineError
from augself_loss.adapters.solo_learn import SoloRecorder
from augself_loss.parameters import Record
from augself_loss.recording.multiview import from_bits

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore:.*pin_memory")]

PLAIN = {"color_jitter_prob": 0.0, "gray_scale_prob": 0.0}
ASYMMETRIC = ({"gaussian_prob": 1.0, "solarization_prob": 0.0}, {"gaussian_prob": 0.1})
"""BYOL's pipelines: the first view is always blurred, the second sometimes solarized."""
MULTI_CROP = ({}, {"crop_size": solo.SMALL, "min_scale": 0.05, "max_scale": 0.2})


def seeded(seed: int, transform: Any, image: Image.Image) -> list[Tensor]:
    solo.seed(seed)
    made: list[Tensor] = transform(image)
    return made


def records(recorder: SoloRecorder, packed: Tensor) -> list[Record]:
    return [from_bits(view, recorder.layout) for view in packed]


@pytest.mark.parametrize(
    ("crops", "pipelines"),
    [((2,), ()), ((1, 1), ASYMMETRIC), ((2, 3), MULTI_CROP), ((4,), ({"hue": 0.0},))],
    ids=["symmetric", "asymmetric", "multi-crop", "four views"],
)
def test_views_are_the_transforms_own_bit_for_bit(crops: Any, pipelines: Any) -> None:
    transform = solo.transform(crops, *pipelines)
    recorder = SoloRecorder(transform)
    for seed in range(30):
        image = solo.picture(seed)
        alone = seeded(seed, transform, image)
        *views, packed = seeded(seed, recorder, image)
        assert len(views) == len(alone) == sum(crops) == len(packed)
        assert all(map(torch.equal, views, alone))


@pytest.mark.parametrize("data", ["cifar10", "stl10", "imagenet", "custom"])
def test_the_transform_of_every_data_set(data: str) -> None:
    view = transforms.prepare_transform(data, **solo.AUGMENTATIONS)
    transform = transforms.prepare_n_crop_transform([view], num_crops_per_aug=[2])
    recorder = SoloRecorder(transform)
    alone, (*views, _) = (seeded(3, t, solo.picture(0)) for t in (transform, recorder))
    assert all(map(torch.equal, views, alone))
    names = [encoder.name for encoder in recorder.encoders]
    assert names == ["crop", "flip", "color", "grayscale", "blur", "solarize"]


def made_again(image: Image.Image, record: Record, steps: Any) -> Tensor:
    """Make a view from its record, by Pillow and torchvision's functions."""
    top, left, height, width = record["crop"].tolist()
    sides = [round(top * image.height), round(left * image.width)]
    sides += [round(height * image.height), round(width * image.width)]
    size = [solo.SIZE, solo.SIZE]
    bicubic = functional.InterpolationMode.BICUBIC
    image = functional.resized_crop(image, *sides, size, interpolation=bicubic)
    if record["blur"] > 0:
        image = image.filter(ImageFilter.GaussianBlur(radius=float(record["blur"])))
    if record["solarize"] < 1:
        image = ImageOps.solarize(image, threshold=round(float(record["solarize"]) * 255))
    if record["flip"] > 0:
        image = functional.hflip(image)
    to_tensor, normalize = steps[-2:]
    view: Tensor = normalize(to_tensor(image))
    return view


def test_a_view_can_be_made_again_from_its_record() -> None:
    transform = solo.transform((2,), {**PLAIN, "solarization_prob": 0.5})
    recorder = SoloRecorder(transform)
    steps = transform.transforms[0].transform.transform.transforms
    applied: dict[str, int] = defaultdict(int)
    for seed in range(60):
        image = solo.picture(seed)
        *views, packed = seeded(seed, recorder, image)
        for view, record in zip(views, records(recorder, packed), strict=True):
            assert torch.allclose(view, made_again(image, record, steps), atol=1e-6)
            applied["blur"] += int(record["blur"] > 0)
            applied["solarize"] += int(record["solarize"] < 1)
            applied["flip"] += int(record["flip"])
            assert record["blur"] == 0 or 0.1 <= record["blur"] <= 2.0
            assert record["solarize"] == 1 or record["solarize"] == pytest.approx(128 / 255)
    assert all(30 < count < 90 for count in applied.values()), "each on about half of 120 views"


def test_brightness_and_grayscale_are_what_was_drawn() -> None:
    recorder = SoloRecorder(
        solo.transform((2,), {"contrast": 0, "saturation": 0, "hue": 0, "color_jitter_prob": 1.0,
                              "gaussian_prob": 0, "solarization_prob": 0, "gray_scale_prob": 0.5,
                              "horizontal_flip_prob": 0, "min_scale": 1.0})
    )  # fmt: skip
    grey = Image.new("RGB", (16, 16), (100, 50, 100))
    *views, packed = seeded(0, recorder, grey)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.228, 0.224, 0.225])
    for view, record in zip(views, records(recorder, packed), strict=True):
        pixel = (view[:, 0, 0] * std + mean) * 255
        if record["grayscale"] > 0:
            assert torch.allclose(pixel, pixel.mean(), atol=0.1)
        else:
            assert pixel[0] == pytest.approx(100 * float(record["color"][0]), abs=1.01)
        assert record["color"][1:].tolist() == [1.0, 1.0, 0.0]


def test_what_is_never_applied_is_no_type() -> None:
    recorder = SoloRecorder(solo.transform((2,), {**PLAIN, "solarization_prob": 0.0}))
    assert [encoder.name for encoder in recorder.encoders] == ["crop", "flip", "blur"]
    asked = SoloRecorder(solo.transform((2,), PLAIN), types=["color"])
    *_, packed = asked(solo.picture(0))
    assert [r["color"].tolist() for r in records(asked, packed)] == [[1.0, 1.0, 1.0, 0.0]] * 2


def test_two_pipelines_give_records_with_the_same_entries() -> None:
    recorder = SoloRecorder(solo.transform((1, 1), *ASYMMETRIC))
    thresholds: list[set[float]] = [set(), set()]
    for seed in range(40):
        *_, packed = seeded(seed, recorder, solo.picture(0))
        for seen, record in zip(thresholds, records(recorder, packed), strict=True):
            seen.add(round(float(record["solarize"]), 3))
    assert thresholds == [{1.0}, {1.0, 0.502}]


def test_records_pass_solo_learns_loader_and_its_workers() -> None:
    recorder = SoloRecorder(solo.transform())
    indices, (*views, packed), targets = next(iter(solo.loader(recorder, workers=2)))
    assert [tuple(view.shape) for view in views] == [(solo.BATCH, 3, solo.SIZE, solo.SIZE)] * 2
    assert packed.shape == (solo.BATCH, 2, 1 + sum(f.width for f in recorder.layout.values()))
    assert packed.dtype == torch.int32
    assert len(indices) == len(targets) == solo.BATCH


def test_it_pickles() -> None:
    recorder = SoloRecorder(solo.transform((2, 1), *MULTI_CROP))
    twin = pickle.loads(pickle.dumps(recorder))
    made, again = (seeded(5, r, solo.picture(1)) for r in (recorder, twin))
    assert all(map(torch.equal, made, again))


def with_step(step: Any) -> Any:
    """Build solo-learn's transform with one step more at its end, on the PIL image."""
    transform = solo.transform()
    view = transform.transforms[0].transform.transform
    view.transforms = [step, *view.transforms]
    return transform


class OwnBlur(transforms.GaussianBlur):  # type: ignore[misc]
    """May draw what it likes."""

    def __call__(self, img: Any) -> Any:
        return super().__call__(super().__call__(img))


class OwnCrops(transforms.NCropAugmentation):  # type: ignore[misc]
    """Makes views of its own, which the recorder would not make."""

    def __call__(self, x: Any) -> Any:
        return super().__call__(x)[::-1]


def _grey(mystery: RandomMystery, image: Any) -> Any:
    turned = mystery(image)
    return turned, None if turned is image else (1.0,)


def test_a_transform_of_ones_own_can_be_registered_or_ignored() -> None:
    entry = (GrayscaleEncoder(), _grey)
    transform = with_step(RandomMystery())
    inside = transform.transforms[0].transform.transform
    inside.transforms = [s for s in inside.transforms if type(s).__name__ != "RandomGrayscale"]
    registered = SoloRecorder(transform, register={RandomMystery: entry})
    seen = {
        float(record["grayscale"])
        for seed in range(10)
        for record in records(registered, seeded(seed, registered, solo.picture(0))[-1])
    }
    assert seen == {0.0, 1.0}
    assert SoloRecorder(transform, ignore=[RandomMystery]).layout.keys() >= {"crop", "color"}
    blurred = SoloRecorder(solo.transform(), ignore=[transforms.GaussianBlur])
    assert "blur" not in blurred.layout


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (lambda: with_step(RandomMystery()), "RandomMystery"),
    "a subclass": (lambda: with_step(OwnBlur()), "OwnBlur"),
    "other crops": (
        lambda: transforms.FullTransformPipeline(
            [OwnCrops(solo.transform().transforms[0].transform, 2)]
        ),
        "NCropAugmentations, found 'OwnCrops'",
    ),
    "one pipeline": (lambda: solo.transform().transforms[0].transform, "NCropAugmentation"),
    "no transform": (lambda: None, "'NoneType'.*FullTransformPipeline"),
    "one view": (lambda: solo.transform((1,)), "at least two views"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    build, message = REFUSED[case]
    with pytest.raises(PipelineError, match=message):
        SoloRecorder(build())


def test_another_blur_than_the_known_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    blur = transforms.GaussianBlur.__call__
    monkeypatch.setattr(transforms.GaussianBlur, "__call__", lambda s, x: blur(s, blur(s, x)))
    recorder = SoloRecorder(solo.transform((2,), {"gaussian_prob": 1.0}))
    with pytest.raises(PipelineError, match="to draw the random numbers"):
        recorder(solo.picture(0))
