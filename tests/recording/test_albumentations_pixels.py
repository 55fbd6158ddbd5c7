"""Records of albumentations pipelines, found again in the pixels of their views."""

from __future__ import annotations

import math
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

Image = NDArray[Any]
SEEDS = range(6)


def ramp(height: int, width: int) -> Image:
    """Pixels that say where they lie: their centre's x and y as fractions, and 1 (0: padded)."""
    y, x = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    return np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)


def expected_ramp(record: Record, height: int, width: int) -> Image:
    """What a view of a ramp must look like, from its record alone."""
    box = record["crop"].tolist() if "crop" in record else [0.0, 0.0, 1.0, 1.0]
    top, left, box_height, box_width = box
    turns = int(record["rotation"]) if "rotation" in record else 0
    size = (width, height) if turns % 2 else (height, width)
    view = ramp(*size)
    view[..., 0] = left + view[..., 0] * box_width
    view[..., 1] = top + view[..., 1] * box_height
    if record.get("flip", torch.zeros(1)) == 1:
        view = view[:, ::-1]
    if record.get("vertical_flip", torch.zeros(1)) == 1:
        view = view[::-1]
    return np.rot90(view, turns)


BOXES: dict[str, Callable[[], Any]] = {
    "RandomResizedCrop": lambda: A.RandomResizedCrop((40, 48), scale=(0.3, 1.0)),
    "RandomSizedCrop": lambda: A.RandomSizedCrop((20, 50), (40, 48), w2h_ratio=1.2),
    "RandomCrop": lambda: A.RandomCrop(30, 40),
    "RandomCrop padded": lambda: A.RandomCrop(70, 90, pad_if_needed=True, pad_position="random"),
    "CenterCrop": lambda: A.CenterCrop(31, 40),
    "CenterCrop padded": lambda: A.CenterCrop(75, 60, pad_if_needed=True),
    "Crop": lambda: A.Crop(5, 7, 45, 33),
    "Crop padded": lambda: A.Crop(5, 7, 95, 77, pad_if_needed=True, pad_position="bottom_right"),
    "RandomCropFromBorders": lambda: A.RandomCropFromBorders(0.2, 0.1, 0.3, 0.05),
    "Pad": lambda: A.Pad((3, 5, 7, 9)),
    "PadIfNeeded": lambda: A.PadIfNeeded(80, 96, position="random"),
    "Resize": lambda: A.Compose([A.Resize(50, 70), A.RandomCrop(30, 30)]),
    "LongestMaxSize": lambda: A.Compose([A.LongestMaxSize(50), A.CenterCrop(30, 30)]),
    "two crops": lambda: A.Compose([A.RandomCrop(50, 60), A.RandomResizedCrop((40, 40))]),
}
TURNS: dict[str, Callable[[], Any]] = {
    "HorizontalFlip": A.HorizontalFlip,
    "VerticalFlip": A.VerticalFlip,
    "RandomRotate90": A.RandomRotate90,
    "Transpose": A.Transpose,
    "D4": A.D4,
    "SquareSymmetry": A.SquareSymmetry,
    "flips and turns": lambda: A.Compose(
        [A.HorizontalFlip(), A.RandomRotate90(), A.VerticalFlip(), A.D4(p=0.5), A.Transpose()]
    ),
    "turns and crops": lambda: A.Compose(
        [A.HorizontalFlip(), A.CenterCrop(48, 48), A.D4(), A.RandomResizedCrop((32, 40)), A.D4()]
    ),
}


@pytest.mark.parametrize("name", [*BOXES, *TURNS])
def test_a_ramp_says_where_the_view_lies(name: str) -> None:
    for seed in SEEDS:
        view, record = run({**BOXES, **TURNS}[name](), ramp(60, 72), seed)
        expected = expected_ramp(record, *view.shape[:2])
        there = view[..., 2] == 1
        assert there.any()
        # Interpolation cuts the ends of a ramp off; nothing else is lost.
        pixel = 1.01 * max(record["crop"][2:].tolist() if "crop" in record else [1.0]) / 30
        error = np.abs(view - expected)[..., :2]
        assert error[there].max() < pixel
        assert error[2:-2, 2:-2][there[2:-2, 2:-2]].max() < 1e-5


def moved(matrix: Image, image: Image) -> Image:
    height, width = image.shape[:2]
    return cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR)


def about_centre(matrix: Image, size: tuple[int, int], move: tuple[float, float]) -> Image:
    x, y = size[1] / 2 - 0.5, size[0] / 2 - 0.5
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (-x, -y), (x + move[0], y + move[1])
    whole = np.eye(3)
    whole[:2, :2] = matrix
    return back @ whole @ there


def turn(degrees: float) -> Image:
    """Counter-clockwise, with y downwards."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


@pytest.mark.parametrize("size", [(64, 64), (48, 72)])
@pytest.mark.parametrize("limit", [(10, 40), (-180, 180), (200, 300)])
def test_an_angle_turns_the_image_again(limit: tuple[float, float], size: tuple[int, int]) -> None:
    image = smooth(*size)
    for seed in SEEDS:
        view, record = run(A.Rotate(limit, p=1.0), image, seed)
        again = moved(about_centre(turn(float(record["angle"])), size, (0, 0)), image)
        assert np.abs(view.astype(int) - again).max() <= 1


AFFINE: dict[str, Any] = {
    "everything": lambda: A.Affine(
        scale={"x": (0.7, 1.3), "y": (0.8, 1.2)}, translate_percent={"x": (-0.2, 0.1), "y": 0.1},
        rotate=(-40, 70), shear={"x": (-20, 10), "y": (5, 15)}, p=1.0,
    ),
    "one scale": lambda: A.Affine(scale=(0.6, 1.4), keep_ratio=True, balanced_scale=True, p=1.0),
    "ShiftScaleRotate": lambda: A.ShiftScaleRotate(p=1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", AFFINE)
def test_an_affine_map_moves_the_image_again(name: str) -> None:
    image, size = smooth(56, 72), (56, 72)
    for seed in SEEDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ShiftScaleRotate says that it is an Affine
            transform = AFFINE[name]()
        view, record = run(transform, image, seed)
        angle, x, y, scale_x, scale_y, shear_x, shear_y = record["affine"].double().tolist()
        sheared = np.array(
            [[1, -math.tan(math.radians(shear_x))], [-math.tan(math.radians(shear_y)), 1]]
        )
        matrix = sheared @ turn(angle) @ np.diag([scale_x, scale_y])
        again = moved(about_centre(matrix, size, (round(x * 72), round(y * 56))), image)
        assert np.abs(view.astype(int) - again).max() <= 2


@pytest.mark.parametrize("flip", [A.HorizontalFlip, A.VerticalFlip])
@pytest.mark.parametrize("name", ["angle", "affine"])
def test_a_map_is_recorded_as_if_after_the_flips(name: str, flip: Any) -> None:
    def built() -> Any:
        return A.Rotate((20, 50), p=1.0) if name == "angle" else AFFINE["everything"]()

    image = smooth()
    view, record = run(A.Compose([built(), flip(p=1.0)]), image, 3)
    mirrored = np.ascontiguousarray(image[:, ::-1] if flip is A.HorizontalFlip else image[::-1])
    other, same = run(built(), image, 3)
    assert torch.allclose(record[name].abs(), same[name].abs())
    values = record[name].double().tolist()
    if name == "angle":
        matrix, move = turn(values[0]), (0.0, 0.0)
    else:
        angle, x, y, scale_x, scale_y, *shear = values
        tangents = [-math.tan(math.radians(degrees)) for degrees in shear]
        sheared = np.array([[1, tangents[0]], [tangents[1], 1]])
        matrix, move = sheared @ turn(angle) @ np.diag([scale_x, scale_y]), (x * 64, y * 64)
    again = moved(about_centre(matrix, (64, 64), move), mirrored)
    assert np.abs(view.astype(int) - again).mean() < 1
    assert other.shape == view.shape
