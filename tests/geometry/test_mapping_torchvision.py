"""Records against torchvision's own maps: of its pixels, and of the numbers that it draws.

A picture whose values say where its pixels lie shows, after a step, where they came from: exactly
so where torchvision interpolates between two of them. Where several maps follow each other their
matrices are multiplied, each made of what torchvision's own functions make of what it drew.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.geometry import Pixels, matrix
from augself_loss.parameters import Record
from augself_loss.recording.torchvision import TorchvisionRecorder

Apart = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
KINDS = pytest.mark.parametrize("kind", ["pil", "tensor"])
LINEAR = v1.InterpolationMode.BILINEAR
FLIPS = ("flip", "vertical_flip")
WARPS = ("angle", "affine", "perspective")
CLOSE = 1e-3
BRIGHT = 128.0
"""Pixels' places are divided by it, so that they are values in [0, 1]."""


def build(name: str, api: ModuleType, cut: tuple[int, int]) -> Any:
    steps: dict[str, Callable[[], Any]] = {
        # Enlarged only: else a pixel shows more than what lies around it.
        "resized": lambda: api.RandomResizedCrop(cut, (0.05, 0.1), (0.9, 1.1)),
        "padded": lambda: api.RandomCrop(cut, padding=(1, 2, 3, 4), pad_if_needed=True),
        "centre": lambda: api.CenterCrop(cut),
        "pad": lambda: api.Pad((3, 1, 4, 2)),
        "quarter": lambda: api.RandomRotation((90, 90), expand=True),
        "half": lambda: api.RandomRotation((180, 180)),
        "flip": lambda: api.RandomHorizontalFlip(0.5),
        "vertical_flip": lambda: api.RandomVerticalFlip(0.5),
        "angle": lambda: api.RandomRotation(60, LINEAR),
        "affine": lambda: api.RandomAffine(30, (0.1, 0.2), (0.8, 1.3), (-12, 12, -9, 9), LINEAR),
        "perspective": lambda: api.RandomPerspective(0.5, 0.9),
    }
    return steps[name]()


def in_order(names: list[str]) -> tuple[str, ...]:
    """What of a pipeline's order its record does not tell."""
    told = [name for name in names if name in (*WARPS, *FLIPS)]
    return (*told, *(name for name in FLIPS if name not in told))


def seen(
    recorder: TorchvisionRecorder, kind: str, picture: Tensor, seed: int
) -> tuple[Tensor, Record]:
    torch.manual_seed(seed)
    given: Any = picture[None] if kind == "tensor" else Image.fromarray(picture.numpy())
    view, record = recorder(given)
    tensor = view if isinstance(view, Tensor) else f1.pil_to_tensor(view)
    return tensor.double().squeeze(), record


def within(places: Tensor, record: Record, size: tuple[int, int]) -> Tensor:
    """Whether points lie so far inside of the box that nothing else was mixed in."""
    box = record.get("crop", torch.tensor([0.0, 0.0, 1.0, 1.0])).double()
    start, end = box[:2].clamp_min(0), (box[:2] + box[2:]).clamp_max(1)
    sides = torch.tensor(size)
    y, x = (start * sides + 2).tolist(), (end * sides - 3).tolist()
    return (places[0] > y[1]) & (places[0] < x[1]) & (places[1] > y[0]) & (places[1] < x[0])


@APIS
@KINDS
@pytest.mark.parametrize(
    "names",
    [
        ["resized"], ["padded"], ["centre"], ["pad"], ["quarter"], ["half"], ["angle"], ["affine"],
        ["perspective"], ["flip", "vertical_flip"], ["flip", "resized", "vertical_flip"],
        ["vertical_flip", "padded", "flip"], ["flip", "angle", "vertical_flip"],
        ["flip", "affine", "vertical_flip"], ["flip", "perspective", "vertical_flip"],
        ["vertical_flip", "perspective", "flip"], ["perspective", "flip", "vertical_flip"],
        ["resized", "flip", "affine"], ["resized", "perspective", "flip"], ["padded", "angle"],
        ["flip", "resized", "quarter", "vertical_flip"], ["resized", "quarter", "affine", "flip"],
    ],
    ids="-".join,
)  # fmt: skip
def test_pixels_come_from_where_the_record_says(
    api: ModuleType, kind: str, names: list[str]
) -> None:
    size, cut = (83, 97), (41, 35)
    pipeline = api.Compose([build(name, api, cut) for name in names])
    recorder, compared = TorchvisionRecorder(pipeline), 0
    y, x = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    for seed in range(4):
        shown = [seen(recorder, kind, p / BRIGHT, seed)[0] * BRIGHT for p in (x, y)]
        there, record = seen(recorder, kind, torch.ones(size), seed)
        view = (there.shape[-2], there.shape[-1])
        pixels = Pixels(size, view, "torchvision", order=in_order(names))
        rows, columns = torch.meshgrid(*map(torch.arange, view), indexing="ij")
        points = torch.stack([columns, rows, torch.ones(view)]).double()
        places = torch.einsum(
            "ij,jhw->ihw", matrix(default_collate([record]), pixels)[0].double(), points
        )
        places = places[:2] / places[2:]
        compare = within(places, record, size) & ((there - 1).abs() < 1e-6)
        compared += int(compare.sum())
        for place, value in zip(places, shown, strict=True):
            assert not bool(((place - value).abs() >= CLOSE)[compare].any())
    assert compared > 200


def drawn_matrix(step: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    """Run one v2 step; its view, and where the view's points are from, from edge to edge."""
    height, width = image.shape[-2:]
    if hasattr(step, "p") and torch.rand(1) >= step.p:
        return image, torch.eye(3).double()
    params = step.make_params([image])
    view = step.transform(image, params)
    name = type(step).__name__
    if name == "RandomHorizontalFlip":
        rows = [[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]
    elif name == "RandomVerticalFlip":
        rows = [[1.0, 0, 0], [0, -1, height], [0, 0, 1]]
    elif name == "RandomResizedCrop":
        scale = params["width"] / view.shape[-1], params["height"] / view.shape[-2]
        rows = [[scale[0], 0, params["left"]], [0, scale[1], params["top"]], [0, 0, 1]]
    elif name == "RandomPerspective":
        eight = params["coefficients"]
        rows = [eight[:3], eight[3:6], [*eight[6:], 1]]
    else:
        middle = [width / 2, height / 2]
        turned = {"translate": [0, 0], "scale": 1.0, "shear": (0.0, 0.0), **params}
        if name == "RandomRotation":
            turned["angle"] = -turned["angle"]
        shear = list(turned["shear"])
        six = f1._get_inverse_affine_matrix(
            middle, turned["angle"], list(map(float, turned["translate"])), turned["scale"], shear
        )
        rows = [six[:3], six[3:], [0, 0, 1]]
    return view, torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_corners_lie_where_torchvision_says(first: int, apart: Apart) -> None:
    for seed in range(first, first + 40):
        draw = random.Random(seed)
        size = (draw.randint(40, 120), draw.randint(40, 120))
        cut = (draw.randint(20, 60), draw.randint(20, 60))
        names = ["resized"] * draw.randint(0, 1)
        names += draw.sample(WARPS, draw.randint(0, 3))
        for flip in draw.sample(FLIPS, draw.randint(0, 2)):
            names.insert(draw.randint(0, len(names)), flip)
        if not names:
            continue
        pipeline = v2.Compose([build(name, v2, cut) for name in names])
        image = torch.rand(3, *size)
        torch.manual_seed(seed)
        _, record = TorchvisionRecorder(pipeline)(image)
        torch.manual_seed(seed)
        view, told = image, torch.eye(3).double()
        for step in pipeline.transforms:
            view, one = drawn_matrix(step, view)
            told = told @ one
        half = torch.tensor([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]).double()
        told = torch.linalg.inv(half) @ told @ half
        shape = (view.shape[-2], view.shape[-1])
        pixels = Pixels(size, shape, "torchvision", order=in_order(names))
        found = matrix(default_collate([record]), pixels)
        # Beyond a perspective's horizon there is nothing to compare.
        if (told[2, :2].abs() * torch.tensor(shape[::-1])).sum() < 0.9 * told[2, 2]:
            assert apart(found, told[None], shape).max() < CLOSE, f"{seed}: {names}"


def test_images_of_many_sizes_in_one_batch(apart: Apart) -> None:
    """A data set's pictures differ in size; their views do not."""
    sizes = [(40, 60), (75, 50), (31, 33)]
    recorder = TorchvisionRecorder(v2.RandomResizedCrop((20, 24)))
    records = [recorder(torch.rand(3, *size))[1] for size in sizes]
    together = matrix(
        default_collate(records), Pixels(torch.tensor(sizes), (20, 24), "torchvision")
    )
    for i, size in enumerate(sizes):
        alone = matrix(default_collate(records[i : i + 1]), Pixels(size, (20, 24), "torchvision"))
        assert apart(together[i : i + 1], alone, (20, 24)).max() < 1e-4
