"""Records against albumentations' own pixels: a picture's values say where they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from augself_loss.geometry import Pixels, matrix

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812

from augself_loss.recording.albumentations import AlbumentationsRecorder

SIZE = (83, 97)
BRIGHT = 128.0
CLOSE = 1e-3


def build(name: str) -> Any:
    shear = {"x": (-12.0, 12.0), "y": (-9.0, 9.0)}
    move = {"x": (-0.1, 0.1), "y": (-0.2, 0.2)}
    steps = {
        "resized": lambda: A.RandomResizedCrop(size=(41, 35), scale=(0.05, 0.1), ratio=(0.9, 1.1)),
        "cropped": lambda: A.RandomCrop(41, 35),
        "padded": lambda: A.PadIfNeeded(101, 103),
        "flip": lambda: A.HorizontalFlip(p=0.5),
        "vertical_flip": lambda: A.VerticalFlip(p=0.5),
        "quarters": lambda: A.RandomRotate90(p=1.0),
        "symmetry": lambda: A.D4(p=1.0),
        "transpose": lambda: A.Transpose(p=0.5),
        "angle": lambda: A.Rotate(limit=60, p=1.0),
        "turn": lambda: A.Affine(rotate=(-30, 30), p=1.0),
        "move": lambda: A.Affine(translate_percent=move, p=1.0),
        "scale": lambda: A.Affine(scale={"x": (0.8, 1.3), "y": (0.7, 1.2)}, p=1.0),
        "shear": lambda: A.Affine(shear=shear, p=1.0),
        "affine": lambda: A.Affine(
            rotate=(-30, 30), scale=(0.8, 1.3), shear=shear, translate_percent=move, p=1.0
        ),
    }
    return steps[name]()


def pictures() -> Tensor:
    """Where each pixel lies, x and y, and ones, ``(H, W, 3)``."""
    y, x = torch.meshgrid(*map(torch.arange, SIZE), indexing="ij")
    return torch.stack([x / BRIGHT, y / BRIGHT, torch.ones(SIZE)], dim=-1)


@pytest.mark.parametrize(
    "names",
    [
        ["resized"], ["cropped"], ["padded"], ["flip", "vertical_flip"], ["quarters"],
        ["symmetry"], ["transpose"], ["angle"], ["turn"], ["move"], ["scale"], ["shear"],
        ["affine"], ["flip", "resized", "vertical_flip"], ["quarters", "flip"],
        ["resized", "symmetry", "flip"], ["flip", "affine", "vertical_flip"],
        ["resized", "flip", "angle", "vertical_flip"], ["cropped", "quarters", "affine", "flip"],
    ],
    ids="-".join,
)  # fmt: skip
def test_pixels_come_from_where_the_record_says(names: list[str]) -> None:
    recorder = AlbumentationsRecorder(A.Compose([build(name) for name in names], seed=3))
    compared = 0
    for _ in range(5):
        shown, record = recorder(image=pictures().numpy())
        view = torch.as_tensor(shown["image"] if isinstance(shown, dict) else shown).double()
        size = (view.shape[0], view.shape[1])
        found = matrix(default_collate([record]), Pixels(SIZE, size, "albumentations"))[0]
        rows, columns = torch.meshgrid(*map(torch.arange, size), indexing="ij")
        points = torch.stack([columns, rows, torch.ones(size)]).double()
        places = torch.einsum("ij,jhw->ihw", found.double(), points)[:2]
        box = record.get("crop", torch.tensor([0.0, 0.0, 1.0, 1.0])).double()
        start, end = box[:2].clamp_min(0), (box[:2] + box[2:]).clamp_max(1)
        (top, left), (bottom, right) = (
            (start * torch.tensor(SIZE) + 2).tolist(), (end * torch.tensor(SIZE) - 3).tolist()
        )  # fmt: skip
        there = (places[0] > left) & (places[0] < right) & (places[1] > top) & (places[1] < bottom)
        there &= (view[..., 2] - 1).abs() < 1e-6
        compared += int(there.sum())
        apart = (places.permute(1, 2, 0) - view[..., :2] * BRIGHT).abs().amax(-1)
        assert not bool((apart >= CLOSE)[there].any()), float(apart[there].max())
    assert compared > 200
