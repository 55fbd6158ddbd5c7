"""Records of albumentations' colours, blurs and erased boxes, found again in the pixels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
import cv2
from albumentations_pipelines import run, smooth
from numpy.typing import NDArray

from augself_loss.parameters import Record
from augself_loss.recording.albumentations import AlbumentationsRecorder

Image = NDArray[Any]
SEEDS = range(6)


def grey(image: Image) -> Image:
    return image @ np.array([0.299, 0.587, 0.114])


def jitter(image: Image, record: Record) -> Image:
    brightness, contrast, saturation, hue = record["color"].tolist()
    for operation in record["color_order"].tolist():
        if operation == 0:
            image = image * brightness
        elif operation == 1:
            image = image * contrast + (1 - contrast) * grey(image).mean()
        elif operation == 2:
            image = image * saturation + (1 - saturation) * grey(image)[..., None]
        else:
            hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0] + hue * 360) % 360
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float64)
        image = image.clip(0, 1)
    return image


def linear(image: Image, record: Record) -> Image:
    brightness, contrast, *_ = record["color_jiggle"].tolist()
    return (image * contrast + brightness - 1).clip(0, 1)


def solarized(image: Image, record: Record) -> Image:
    return np.where(image >= float(record["solarize"]), 1 - image, image)


def blurred(image: Image, record: Record) -> Image:
    sigma = float(record["blur"])
    if sigma == 0:
        return image
    reach = int(sigma * 3.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return cv2.sepFilter2D(image, -1, weights / weights.sum(), weights / weights.sum())


def posterized(image: Image, record: Record) -> Image:
    step = 2 ** (8 - float(record["posterize"]))
    return np.floor(np.round(image * 255) / step) * step / 255


COLOURS: dict[str, tuple[Callable[[], Any], Callable[[Image, Record], Image]]] = {
    "color": (lambda: A.ColorJitter(0.5, 0.5, 0.5, 0.3, p=1.0), jitter),
    "color_jiggle": (lambda: A.RandomBrightnessContrast(0.3, 0.4, p=1.0), linear),
    "color_jiggle by mean": (
        lambda: A.RandomBrightnessContrast(0.3, 0.4, brightness_by_max=False, p=1.0), linear
    ),
    "solarize": (lambda: A.Solarize((0.2, 0.9), p=1.0), solarized),
    "gamma": (
        lambda: A.RandomGamma((50, 200), p=1.0), lambda i, r: i ** float(r["gamma"][0])
    ),
    "blur": (lambda: A.GaussianBlur(sigma_limit=(0.1, 3.0), p=1.0), blurred),
    "posterize": (lambda: A.Posterize((2, 6), p=1.0), posterized),
    "invert": (lambda: A.InvertImg(p=1.0), lambda i, r: np.abs(float(r["invert"]) - i)),
    "grayscale": (
        lambda: A.ToGray(p=1.0), lambda i, r: np.stack([grey(i) * float(r["grayscale"])] * 3, -1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", COLOURS)
def test_colours_come_out_again(name: str, dtype: Any) -> None:
    build, redo = COLOURS[name]
    white = 255.0 if dtype == np.uint8 else 1.0
    image = smooth(dtype=dtype)
    for seed in SEEDS:
        view, record = run(build(), image, seed)
        again = redo(image.astype(np.float64) / white, record)
        difference = np.abs(view / white - again)
        # 8 bits are rounded, and their hue in steps of two degrees; posterize works on 8 bits.
        close = 0.006 if dtype == np.uint8 or name == "posterize" else 2e-3
        coarse = name == "color" and dtype == np.uint8
        assert np.quantile(difference, 0.99) < (0.05 if coarse else close)
        for encoder in AlbumentationsRecorder(build()).encoders:
            encoder.check({entry: columns[None] for entry, columns in record.items()})


ERASERS = [
    lambda: A.Erasing((0.05, 0.3), p=1.0),
    lambda: A.CoarseDropout((1, 1), (0.2, 0.4), (0.1, 0.3), p=1.0),
    lambda: A.CoarseDropout((1, 1), (5, 9), (3, 9), p=1.0),
]


@pytest.mark.parametrize("build", ERASERS)
@pytest.mark.parametrize("flips", [[], [A.HorizontalFlip(p=1.0), A.VerticalFlip(p=1.0)]])
def test_the_erased_box_is_the_one_without_pixels(build: Any, flips: list[Any]) -> None:
    for seed in SEEDS:
        view, record = run(A.Compose([build(), *flips]), np.ones((40, 50, 3), np.float32), seed)
        top, left, height, width = (record["erasing"] * torch.tensor([40, 50, 40, 50])).tolist()
        expected = np.ones((40, 50))
        y, x = round(top), round(left)
        expected[y : y + round(height), x : x + round(width)] = 0
        assert np.array_equal(view[..., 0], expected)


def test_a_grey_image_has_no_colour_to_lose() -> None:
    image = smooth()[..., :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ToGray says that it is grey already
        _, record = run(A.Compose([A.ColorJitter(p=1.0), A.ToGray(p=1.0)]), image, 0)
    assert record["grayscale"] == 0
    assert record["color"][2:].tolist() == [1.0, 0.0]
    assert record["color"][0] != 1.0
    assert run(A.ToRGB(p=1.0), image, 0)[1]["grayscale"] == 1


@pytest.mark.parametrize("transform", [A.Equalize(p=1.0), A.AutoContrast(p=1.0)])
def test_what_only_ran_is_recorded(transform: Any) -> None:
    view, record = run(transform, smooth(), 0)
    assert list(record.values()) == [torch.tensor([1.0])]
    assert not np.array_equal(view, smooth())
