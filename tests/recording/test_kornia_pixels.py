"""What was done to a view's colours: Kornia's own functions, given the record, give the view."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from kornia import enhance
from kornia.color import rgb_to_grayscale
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn

from augself_loss import Record
from augself_loss.recording.kornia import KorniaRecorder

Images: TypeAlias = Callable[..., Tensor]
Row: TypeAlias = Mapping[str, list[float]]
Operation: TypeAlias = Callable[[Tensor, Row], Tensor]

FIXED_ORDER = pytest.mark.skipif(
    "order" not in inspect.signature(K.ColorJitter).parameters, reason="since Kornia 0.9"
)
IDENTITY = {
    "color": [1.0, 1.0, 1.0, 0.0],
    "color_order": [0.0, 1.0, 2.0, 3.0],
    "color_jiggle": [1.0, 1.0, 1.0, 0.0],
    "color_jiggle_order": [0.0, 1.0, 2.0, 3.0],
    "blur": [0.0],
    "solarize": [1.0],
    "solarize_addition": [0.0],
    "gamma": [1.0, 1.0],
    "posterize": [8.0],
    "posterize_applied": [0.0],
    "sharpness": [1.0],
    **{name: [0.0] for name in ("invert", "equalize", "autocontrast", "grayscale")},
}
COLOR: tuple[Callable[[Tensor, float], Tensor], ...] = (
    enhance.adjust_brightness_accumulative,
    enhance.adjust_contrast_with_mean_subtraction,
    enhance.adjust_saturation_with_gray_subtraction,
    lambda image, factor: enhance.adjust_hue(image, factor * 2 * math.pi),
)
JIGGLE: tuple[Callable[[Tensor, float], Tensor], ...] = (
    lambda image, factor: enhance.adjust_brightness(image, factor - 1),
    enhance.adjust_contrast,
    enhance.adjust_saturation,
    lambda image, factor: enhance.adjust_hue(image, factor * 2 * math.pi),
)


def jitter(name: str, steps: tuple[Callable[[Tensor, float], Tensor], ...]) -> Operation:
    def apply(image: Tensor, row: Row) -> Tensor:
        for i in row[f"{name}_order"]:
            if i >= 0:
                image = steps[int(i)](image, row[name][int(i)])
        return image.clamp(0, 1)

    return apply


def single(column: int) -> Operation:
    return lambda image, row: JIGGLE[column](image, row["color_jiggle"][column]).clamp(0, 1)


def solarize(image: Tensor, row: Row) -> Tensor:
    return enhance.solarize(image, row["solarize"][0], row["solarize_addition"][0])


def blur(image: Tensor, row: Row) -> Tensor:
    return gaussian_blur2d(image, (5, 5), (row["blur"][0], row["blur"][0]), "reflect")


def grayscale(image: Tensor, row: Row) -> Tensor:  # noqa: ARG001
    return rgb_to_grayscale(image).repeat(1, 3, 1, 1)


CASES: dict[str, tuple[Callable[[], nn.Module], Operation]] = {
    "ColorJitter": (lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5), jitter("color", COLOR)),
    "ColorJiggle": (
        lambda: K.ColorJiggle(0.4, 0.4, 0.4, 0.1, p=0.5),
        jitter("color_jiggle", JIGGLE),
    ),
    "RandomBrightness": (lambda: K.RandomBrightness((0.5, 1.5), p=0.5), single(0)),
    "RandomContrast": (lambda: K.RandomContrast((0.5, 1.5), p=0.5), single(1)),
    "RandomSaturation": (lambda: K.RandomSaturation((0.5, 1.5), p=0.5), single(2)),
    "RandomHue": (lambda: K.RandomHue((-0.2, 0.2), p=0.5), single(3)),
    "RandomGaussianBlur": (lambda: K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.5), blur),
    "RandomSolarize": (lambda: K.RandomSolarize((0.3, 0.8), (-0.2, 0.2), p=0.5), solarize),
    "RandomGamma": (
        lambda: K.RandomGamma((0.5, 1.5), (0.8, 1.2), p=0.5),
        lambda image, row: enhance.adjust_gamma(image, *row["gamma"]),
    ),
    "RandomPosterize": (
        lambda: K.RandomPosterize((2.0, 6.0), p=0.5),
        lambda image, row: enhance.posterize(image, int(row["posterize"][0])),
    ),
    "RandomSharpness": (
        lambda: K.RandomSharpness((0.0, 3.0), p=0.5),
        lambda image, row: enhance.sharpness(image, row["sharpness"][0]),
    ),
    "RandomInvert": (lambda: K.RandomInvert(p=0.5), lambda image, _row: 1 - image),
    "RandomEqualize": (
        lambda: K.RandomEqualize(p=0.5),
        lambda image, _row: enhance.equalize(image),
    ),
    "RandomAutoContrast": (
        lambda: K.RandomAutoContrast(p=0.5),
        lambda image, _row: enhance.normalize_min_max(image),
    ),
    "RandomGrayscale": (lambda: K.RandomGrayscale(p=0.5), grayscale),
}
TYPES = {
    "ColorJitter": "color",
    "ColorJiggle": "color_jiggle",
    **{f"Random{name}": "color_jiggle" for name in ("Brightness", "Contrast", "Saturation", "Hue")},
    "RandomGaussianBlur": "blur",
}


def type_of(transform: str) -> str:
    return TYPES.get(transform, transform.removeprefix("Random").lower())


def row_of(record: Record, i: int) -> Row:
    return {name: entry[i].tolist() for name, entry in record.items()}


def check(images: Tensor, view: Tensor, record: Record, operation: Operation) -> list[bool]:
    """Compare every sample with its record; tell which ones were skipped."""
    skipped = []
    for i in range(len(images)):
        row = row_of(record, i)
        skipped.append(all(values == IDENTITY[name] for name, values in row.items()))
        if skipped[-1]:
            assert torch.equal(view[i], images[i])
        else:
            assert torch.allclose(view[i], operation(images[i : i + 1], row)[0], atol=2e-5)
    return skipped


@pytest.mark.parametrize("transform", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_record_gives_the_pixels(transform: str, seed: int, smooth: Images) -> None:
    build, operation = CASES[transform]
    images = smooth(12, 16, 20, seed=seed)
    recorder = KorniaRecorder(build())
    torch.manual_seed(seed)
    view, record = recorder(images)
    assert next(iter(record)) == type_of(transform)
    skipped = check(images, view, record, operation)
    assert any(skipped)
    assert not all(skipped)
    for encoder in recorder.encoders:
        encoder.check(record)


@pytest.mark.parametrize("transform", CASES)
@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("batch", [1, 4])  # an order of operations also has 4 entries
def test_none_and_all_applied(transform: str, p: float, batch: int, smooth: Images) -> None:
    build, operation = CASES[transform]
    module = build()
    module.p = p
    images = smooth(batch, 16, 20)
    view, record = KorniaRecorder(module)(images)
    assert all(len(entry) == batch for entry in record.values())
    assert check(images, view, record, operation) == [p == 0] * batch


def test_jitter_and_jiggle_are_told_apart(smooth: Images) -> None:
    """Both hold the same keys and, under one seed, the same numbers; they do different things."""
    images = smooth(4, 16, 20)
    views = []
    for transform, name in (("ColorJitter", "color"), ("ColorJiggle", "color_jiggle")):
        module = CASES[transform][0]()
        module.p = 1.0
        torch.manual_seed(3)
        view, record = KorniaRecorder(module)(images)
        assert list(record) == [name, f"{name}_order"]
        views.append(view)
    assert not torch.allclose(*views, atol=1e-3)


@FIXED_ORDER
@pytest.mark.parametrize("order", [(3, 1, 0, 2), (2, 0), (1,)])
@pytest.mark.parametrize("transform", ["ColorJitter", "ColorJiggle"])
def test_fixed_order(order: tuple[int, ...], transform: str, smooth: Images) -> None:
    images = smooth(12, 16, 20)
    module = getattr(K, transform)(0.4, 0.4, 0.4, 0.1, p=0.5, order=order)
    recorder = KorniaRecorder(module)
    view, record = recorder(images)
    skipped = check(images, view, record, CASES[transform][1])
    name = type_of(transform)
    expected = torch.tensor([*order, *[-1] * (4 - len(order))]).float()
    assert all(torch.equal(o, expected) for o in record[f"{name}_order"][~torch.tensor(skipped)])
    varying = [limits is not None for limits in recorder.encoders[0].ranges]
    assert varying == [i in order for i in range(4)]


@pytest.mark.parametrize(
    "steps",
    [
        ("RandomBrightness", "RandomContrast"),
        ("RandomHue", "RandomSaturation", "RandomBrightness"),
    ],
)
def test_single_factors_share_one_entry(steps: tuple[str, ...], smooth: Images) -> None:
    images = smooth(12, 16, 20)
    recorder = KorniaRecorder(nn.Sequential(*(CASES[step][0]() for step in steps)))
    view, record = recorder(images)
    assert list(record) == ["color_jiggle", "color_jiggle_order"]

    def operation(image: Tensor, row: Row) -> Tensor:
        for step in steps:
            image = CASES[step][1](image, row)
        return image

    check(images, view, record, operation)
    assert sum(limits is not None for limits in recorder.encoders[0].ranges) == len(steps)


def test_a_jiggle_without_brightness_leaves_it_to_another(smooth: Images) -> None:
    images = smooth(12, 16, 20)
    jiggle, brightness = K.ColorJiggle(0.0, 0.4, p=0.5), CASES["RandomBrightness"][0]()
    _, record = KorniaRecorder(nn.Sequential(jiggle, brightness))(images)
    assert (record["color_jiggle"][:, :2] != 1).any(dim=0).all()
    assert torch.equal(record["color_jiggle"][:, 2:], torch.tensor([[1.0, 0.0]]).expand(12, 2))


RANGES: list[tuple[Callable[[], nn.Module], tuple[tuple[float, float] | None, ...]]] = [
    (
        lambda: K.ColorJitter(0.4, (0.5, 1.2), 0.0, 0.1),
        ((0.6, 1.4), (0.5, 1.2), None, (-0.1, 0.1)),
    ),
    (lambda: K.ColorJiggle(0.3), ((0.7, 1.3), None, None, None)),
    (lambda: K.RandomSaturation((0.2, 1.7)), (None, None, (0.2, 1.7), None)),
    (lambda: K.RandomGaussianBlur((3, 3), (0.1, 2.0)), ((0.1, 2.0),)),
    (lambda: K.RandomSolarize(0.1, 0.1), ((0.4, 0.6),)),
    (lambda: K.RandomSolarize((0.2, 0.9), 0.0), ((0.2, 0.9),)),
    (lambda: K.RandomPosterize((2.0, 6.0)), ((2.0, 6.0),)),
    (lambda: K.RandomGamma((0.5, 1.5)), ((0.5, 1.5), None)),
    (lambda: K.RandomGamma((0.5, 1.5), (0.8, 1.1)), ((0.5, 1.5), (0.8, 1.1))),
    (lambda: K.RandomSharpness((0.5, 3.0)), ((0.5, 3.0),)),
    (lambda: K.RandomRotation((-10.0, 25.0)), ((-25.0, 25.0),)),
    (lambda: K.RandomPerspective(0.4), ((-0.2, 0.2),) * 8),
    (
        lambda: K.RandomAffine(20.0, (0.1, 0.2), (0.8, 1.5)),
        ((-20.0, 20.0), (-0.1, 0.1), (-0.2, 0.2), (0.8, 1.5), (0.8, 1.5), None, None),
    ),
]


@pytest.mark.parametrize(("build", "ranges"), RANGES)
def test_encoders_carry_the_ranges(
    build: Callable[[], nn.Module], ranges: tuple[tuple[float, float] | None, ...]
) -> None:
    (encoder,) = KorniaRecorder(build()).encoders
    for found, expected in zip(encoder.ranges, ranges, strict=True):
        assert found == (expected if expected is None else pytest.approx(expected))


def test_one_of_two_choices_unites_their_ranges() -> None:
    choice = K.ImageSequential(
        K.RandomGaussianBlur((3, 3), (0.1, 0.5)),
        K.RandomGaussianBlur((5, 5), (0.4, 2.0)),
        random_apply=1,
    )
    assert KorniaRecorder(choice).encoders[0].ranges == ((0.1, 2.0),)
