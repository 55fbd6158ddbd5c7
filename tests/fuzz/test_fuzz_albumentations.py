"""Random albumentations pipelines: views as without a recorder, records true to the pixels."""

from __future__ import annotations

import math
import os
import random
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
import cv2
from albumentations_pipelines import same, states

from augself_loss.errors import PipelineError
from augself_loss.parameters import Record
from augself_loss.recording.albumentations import AlbumentationsRecorder

MANY = int(os.environ.get("AUGSELF_FUZZ", "500"))
"""How many pipelines the slow test makes."""
HEIGHT, WIDTH = 56, 64
Draw = random.Random

LEAVES: list[Callable[[Draw, float], Any]] = [
    lambda r, p: A.RandomResizedCrop((r.randint(24, 40), r.randint(24, 40)), (0.3, 1.0), p=p),
    lambda r, p: A.RandomCrop(
        r.randint(24, 60), 40, pad_if_needed=True, pad_position="random", p=p
    ),
    lambda r, p: A.CenterCrop(40, r.randint(24, 70), pad_if_needed=True, p=p),
    lambda r, p: A.RandomCropFromBorders(0.2, r.uniform(0, 0.3), 0.1, 0.2, p=p),
    lambda r, p: A.PadIfNeeded(r.randint(40, 80), 70, position="random", p=p),
    lambda _, p: A.HorizontalFlip(p=p),
    lambda _, p: A.VerticalFlip(p=p),
    lambda _, p: A.RandomRotate90(p=p),
    lambda _, p: A.Transpose(p=p),
    lambda _, p: A.D4(p=p),
    lambda r, p: A.Rotate((r.uniform(-60, 0), r.uniform(10, 200)), p=p),
    lambda r, p: A.Affine(
        scale={"x": (0.7, 1.2), "y": (0.8, 1.3)}, translate_percent=(-0.1, r.uniform(0, 0.2)),
        rotate=(-40, 30), shear=(-r.uniform(0, 20), 10), p=p,
    ),
    lambda r, p: A.ColorJitter(r.uniform(0, 0.5), 0.4, (0.5, 1.2), r.uniform(0, 0.3), p=p),
    lambda r, p: A.RandomBrightnessContrast(0.2, r.uniform(0, 0.4), p=p),
    lambda r, p: A.ToGray(method=r.choice(["weighted_average", "desaturation"]), p=p),
    lambda r, p: A.GaussianBlur(sigma_limit=(0.1, r.uniform(0.3, 2.0)), p=p),
    lambda r, p: A.Solarize((r.uniform(0.1, 0.5), 0.9), p=p),
    lambda r, p: A.RandomGamma((r.uniform(50, 90), 140), p=p),
    lambda r, p: A.Posterize((r.randint(2, 4), 6), p=p),
    lambda _, p: A.Equalize(p=p),
    lambda _, p: A.AutoContrast(p=p),
    lambda _, p: A.InvertImg(p=p),
    lambda _, p: A.CoarseDropout((1, 1), (0.1, 0.4), (0.2, 0.3), p=p),
    lambda _, p: A.NoOp(p=p),
]  # fmt: skip
RESIZED = (32, 36)
ENDS: list[Callable[[], list[Any]]] = [list, lambda: [A.Resize(*RESIZED)], lambda: [A.ToFloat()]]


def tree(draw: Draw, depth: int) -> Any:
    """Draw a transform, or a container of some."""
    p = draw.choice([1.0, 1.0, 0.8, 0.5, 0.2])
    if depth == 0 or draw.random() < 0.6:
        return draw.choice(LEAVES)(draw, p)
    children = [tree(draw, depth - 1) for _ in range(draw.randint(1, 3))]
    kind = draw.choice(["Sequential", "OneOf", "SomeOf", "OneOrOther", "RandomOrder", "Compose"])
    if kind == "OneOrOther":
        return A.OneOrOther(children[0], tree(draw, depth - 1), p=p)
    if kind in ("SomeOf", "RandomOrder"):
        count = draw.randint(1, len(children))
        return getattr(A, kind)(children, n=count, replace=draw.random() < 0.2, p=p)
    return getattr(A, kind)(children, p=p)


def pipeline(seed: int) -> Any:
    draw = Draw(seed)
    steps = [tree(draw, 2) for _ in range(draw.randint(1, 4))] + draw.choice(ENDS)()
    return A.Compose(steps, mask_interpolation=cv2.INTER_LINEAR, seed=seed)


def ramp() -> Any:
    y, x = np.meshgrid(
        (np.arange(HEIGHT) + 0.5) / HEIGHT, (np.arange(WIDTH) + 0.5) / WIDTH, indexing="ij"
    )
    return np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)


def unwarped(x: Any, y: Any, record: Record) -> tuple[Any, Any]:
    """Where pixels lay before the map of a record, x and y in pixels from the centre."""
    angle, move_x, move_y, scale_x, scale_y, shear_x, shear_y = (
        record["affine"].double().tolist() if "affine" in record else (0, 0, 0, 1, 1, 0, 0)
    )
    height, width = x.shape
    x, y = x - round(move_x * width), y - round(move_y * height)
    tan_x, tan_y = -math.tan(math.radians(shear_x)), -math.tan(math.radians(shear_y))
    x, y = (x - tan_x * y) / (1 - tan_x * tan_y), (y - tan_y * x) / (1 - tan_x * tan_y)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = (cos * x - sin * y) / scale_x, (sin * x + cos * y) / scale_y
    degrees = float(record["angle"]) if "angle" in record else 0.0
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cos * x - sin * y, sin * x + cos * y


def where(record: Record, height: int, width: int) -> Any:
    """Where in the source a view's pixels come from, as fractions, by the record alone."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    x, y = unwarped(columns - (width - 1) / 2, rows - (height - 1) / 2, record)
    u, v = x / width + 0.5, y / height + 0.5
    for _ in range(int(record["rotation"]) if "rotation" in record else 0):
        u, v = 1 - v, u
    u = 1 - u if "flip" in record and record["flip"] == 1 else u
    v = 1 - v if "vertical_flip" in record and record["vertical_flip"] == 1 else v
    top, left, box_height, box_width = record["crop"].tolist() if "crop" in record else (0, 0, 1, 1)
    return np.stack([left + u * box_width, top + v * box_height], axis=-1)


def check_places(record: Record, mask: Any) -> None:
    """Compare the mask, a ramp that only was moved, with where the record says it lies."""
    there = mask[..., 2] > 0.9999
    maps = {"angle", "affine"} & set(record)
    if there.sum() < 20 or len(maps) == 2 or (maps and mask.shape[:2] == RESIZED):
        return  # a map is told in the pixels of its own image, and two in the pipeline's order
    error = np.abs(mask[..., :2] - where(record, *mask.shape[:2])).max(-1)[there]
    assert np.quantile(error, 0.85) < 0.012, np.quantile(error, 0.85)


def check_replay(recorder: Any, record: Record, given: dict[str, Any], data: Any) -> str:
    """Apply the record again, if it says all."""
    try:
        again = recorder.replay(record, **given)
    except PipelineError:
        return "not replayed"
    if {"angle", "affine"} & set(record):  # OpenCV reads where pixels lie in 32nds of one
        assert np.quantile(np.abs(again["mask"] - data["mask"]), 0.98) < 2e-3
    else:
        assert same(again["mask"], data["mask"])
    difference = np.abs(again["image"].astype(float) - data["image"])
    white = 1.0 if data["image"].dtype == np.float32 else 255.0
    # A record's float32 may tip a rounding over, which equalizing or solarizing makes large.
    assert np.quantile(difference, 0.9) <= 0.03 * white
    assert difference.mean() <= 0.02 * white
    return "replayed"


def check_one(seed: int) -> str:
    """Record a random pipeline three times and check all that can be checked."""
    image = cv2.resize(
        np.random.default_rng(seed).integers(0, 255, (7, 8, 3), dtype=np.uint8), (WIDTH, HEIGHT)
    )
    given = {"image": image, "mask": ramp()}
    plain, wired = pipeline(seed), pipeline(seed)
    try:
        recorder = AlbumentationsRecorder(wired)
    except PipelineError:
        return "refused"
    found = "not replayed"
    for _ in range(3):
        expected = plain(**given)
        try:
            data, record = recorder(**given)
        except PipelineError as error:
            if "quarter turn" not in str(error):
                raise
            return "refused at the image"
        assert same(data, expected)
        assert states(plain) == states(wired)
        for encoder in recorder.encoders:
            encoder.check({entry: columns[None] for entry, columns in record.items()})
        check_places(record, data["mask"])
        found = check_replay(recorder, record, given, data)
    return found


def check_many(seeds: range) -> Counter[str]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The image is already gray|transforms is single")
        warnings.filterwarnings("ignore", message="Length of transforms|`n` is greater")
        found: Counter[str] = Counter()
        for seed in seeds:
            try:
                found[check_one(seed)] += 1
            except Exception as error:
                raise AssertionError(f"pipeline {seed}: {pipeline(seed)}") from error
    return found


def test_random_pipelines() -> None:
    found = check_many(range(120))
    assert found["replayed"] > 10
    assert found["refused"] < 90


@pytest.mark.slow
def test_many_random_pipelines() -> None:
    found = check_many(range(1000, 1000 + MANY))
    print(dict(found))
    assert sum(found.values()) == MANY
