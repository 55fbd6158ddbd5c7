"""Recorded maps and erased boxes: as the pixels show them, and as Kornia means them too."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import kornia.augmentation as K  # noqa: N812 - Kornia's own convention
import pytest
import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as f2

from augself_loss.parameters import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

Redo: TypeAlias = Callable[[Any, Record, ModuleType], Any]
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
KINDS = pytest.mark.parametrize("kind", ["pil", "uint8", "float"])
FLIPS = pytest.mark.parametrize("flips", [(1, 0), (0, 1), (1, 1)], ids=["left", "up", "both"])
SIZE = 96
LINEAR = v1.InterpolationMode.BILINEAR
STARTS = ((0, 0), (SIZE - 1, 0), (SIZE - 1, SIZE - 1), (0, SIZE - 1))


def smooth() -> Tensor:
    """Make a float image without edges, for maps that interpolate differently."""
    y, x = torch.meshgrid(torch.linspace(0, 5, SIZE), torch.linspace(0, 4, SIZE), indexing="ij")
    return torch.stack([(x + y).sin(), (2 * y - x).cos(), (x * y / 4).sin()]) / 2 + 0.5


def as_kind(kind: str, image: Tensor) -> Any:
    """Turn a float tensor into the kind of image that a test works on."""
    if kind == "float":
        return image
    coarse = (image * 255).byte()
    return f1.to_pil_image(coarse) if kind == "pil" else coarse


def as_float(view: Any) -> Tensor:
    """Read a view of any kind as floats in [0, 1]."""
    tensor = view if isinstance(view, Tensor) else f1.pil_to_tensor(view)
    return tensor if tensor.is_floating_point() else tensor.float() / 255


def ends(record: Record) -> list[list[float]]:
    """Where the corners (x, y) of the image go, by the record."""
    moves = (record["perspective"].double().reshape(4, 2) * SIZE).tolist()
    pairs = zip(STARTS, moves, strict=True)
    return [[round(start[i] + move[i], 3) for i in (0, 1)] for start, move in pairs]


def redo_angle(image: Any, record: Record, f: ModuleType = f2) -> Any:
    return f.rotate(image, float(record["angle"]), interpolation=LINEAR, fill=0)


def redo_affine(image: Any, record: Record, f: ModuleType = f2) -> Any:
    angle, move_x, move_y, scale, _, *shear = record["affine"].tolist()
    # The record turns counter-clockwise, torchvision's affine clockwise.
    return f.affine(
        image, angle=-angle, translate=[round(move_x * SIZE), round(move_y * SIZE)], scale=scale,
        shear=shear, interpolation=LINEAR, fill=0,
    )  # fmt: skip


def redo_perspective(image: Any, record: Record, f: ModuleType = f2) -> Any:
    return f.perspective(image, [list(s) for s in STARTS], ends(record), LINEAR, fill=0)


MAPS: dict[str, tuple[Callable[[ModuleType], Any], Redo]] = {
    "angle": (lambda t: t.RandomRotation((10, 40), interpolation=LINEAR), redo_angle),
    "affine": (
        lambda t: t.RandomAffine(
            (10, 40), translate=(0.1, 0.2), scale=(0.7, 1.3), shear=(5, 15, -12, 9),
            interpolation=LINEAR,
        ),
        redo_affine,
    ),
    "perspective": (lambda t: t.RandomPerspective(0.6, p=1.0), redo_perspective),
}  # fmt: skip


@APIS
@KINDS
@pytest.mark.parametrize("name", MAPS)
def test_a_map_gives_the_same_view_again(api: ModuleType, kind: str, name: str) -> None:
    build, redo = MAPS[name]
    recorder = TorchvisionRecorder(build(api))
    for seed in range(3):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, smooth()))
        again = redo(as_kind(kind, smooth()), record, f1 if api is v1 else f2)
        torch.testing.assert_close(as_float(again), as_float(view), atol=2e-5, rtol=0)


@APIS
@FLIPS
@pytest.mark.parametrize("first", [False, True], ids=["flip last", "flip first"])
@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_recorded_as_if_after_the_flips(
    api: ModuleType, flips: tuple[int, int], name: str, first: bool
) -> None:
    build, redo = MAPS[name]
    mirrors = [api.RandomHorizontalFlip(flips[0]), api.RandomVerticalFlip(flips[1])]
    steps = [*mirrors, build(api)] if first else [build(api), *mirrors]
    torch.manual_seed(3)
    view, record = TorchvisionRecorder(api.Compose(steps))(smooth())
    assert (int(record["flip"]), int(record["vertical_flip"])) == flips
    mirrored = smooth()
    for gate, axis in zip(flips, (-1, -2), strict=True):
        mirrored = mirrored.flip(axis) if gate else mirrored
    error = (redo(mirrored, record, f2) - view).abs().mean()
    # torchvision's perspective counts a corner as W - 1 of W, so its mirror image is a pixel off.
    assert error < (2e-2 if name == "perspective" else 2e-3)
    if not first and (name, flips) != ("angle", (1, 1)):
        torch.manual_seed(3)
        _, unmirrored = TorchvisionRecorder(build(api))(smooth())
        assert (redo(mirrored, unmirrored, f2) - view).abs().mean() > 2 * error + 1e-2


def dot_after(view: Any) -> tuple[float, float]:
    """Find the bright dot, (right, up) of the centre in pixels."""
    weight = as_float(view)[0].double()
    places = torch.arange(SIZE).double() - (SIZE - 1) / 2
    right, up = (weight.sum(0) * places).sum(), -(weight.sum(1) * places).sum()
    return float(right / weight.sum()), float(up / weight.sum())


def dot() -> Tensor:
    """Make a black image with a dot 26.5 pixels to the right of its centre."""
    image = torch.zeros(3, SIZE, SIZE)
    image[:, 46:50, 72:76] = 1.0
    return image


@APIS
@KINDS
@pytest.mark.parametrize("name", ["angle", "affine"])
def test_a_positive_angle_turns_counter_clockwise(api: ModuleType, kind: str, name: str) -> None:
    turn = api.RandomRotation if name == "angle" else api.RandomAffine
    recorder = TorchvisionRecorder(turn((20, 70), interpolation=LINEAR))
    for seed in range(3):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, dot()))
        right, up = dot_after(view)
        degrees = math.degrees(math.atan2(up, right))
        assert degrees == pytest.approx(float(record[name][0]), abs=0.6)
        assert (degrees > 0) == (name == "angle")  # torchvision's affine draws clockwise angles


@APIS
@KINDS
def test_translation_points_right_and_down(api: ModuleType, kind: str) -> None:
    recorder = TorchvisionRecorder(api.RandomAffine(0, translate=(0.15, 0.3)))
    for seed in range(3):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, dot()))
        right, up = dot_after(view)
        moved = torch.tensor([right - 26, -up]) / SIZE
        torch.testing.assert_close(moved, record["affine"][1:3], atol=1e-3, rtol=0)


@APIS
@KINDS
def test_perspective_moves_the_corners_of_the_picture(api: ModuleType, kind: str) -> None:
    image = torch.zeros(3, SIZE, SIZE)
    half = SIZE // 2
    for i, (x, y) in enumerate(STARTS):  # each quarter of the picture has its own colour
        rows, columns = (slice(0, half) if at == 0 else slice(half, SIZE) for at in (y, x))
        image[:, rows, columns] = torch.tensor([1.0, 0.2 + 0.2 * i, 0.0]).reshape(3, 1, 1)
    recorder = TorchvisionRecorder(api.RandomPerspective(0.6, p=1.0))
    for seed in range(4):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, image))
        corners = torch.tensor(ends(record))
        for i, inwards in enumerate(torch.nn.functional.normalize(half - corners) * 5):
            x, y = (corners[i] + inwards).round().long().tolist()
            assert as_float(view)[:2, y, x].tolist() == pytest.approx([1, 0.2 + 0.2 * i], abs=0.02)
            x, y = (corners[i] - inwards).round().long().tolist()
            if min(x, y) >= 0 and max(x, y) < SIZE:
                assert as_float(view)[0, y, x] == 0


KORNIA: dict[str, tuple[Callable[[], Any], Redo]] = {
    "angle": (lambda: K.RandomRotation((10.0, 40.0), p=1.0), redo_angle),
    "affine": (
        lambda: K.RandomAffine((10.0, 40.0), translate=(0.1, 0.2), scale=(0.7, 1.3), p=1.0),
        redo_affine,
    ),
    "perspective": (lambda: K.RandomPerspective(0.6, p=1.0), redo_perspective),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", KORNIA)
def test_kornia_and_torchvision_mean_the_same(name: str, seed: int) -> None:
    build, redo = KORNIA[name]
    torch.manual_seed(seed)
    views, records = KorniaRecorder(build())(smooth()[None])
    record = {entry: column[0] for entry, column in records.items()}
    redone = redo(smooth(), record, f2)
    shown = (redone > 0) & (views[0] > 0)  # the hosts fade out at the picture's edge differently
    assert shown.float().mean() > 0.4
    assert (redone - views[0])[shown].abs().median() < 1e-2
    assert (smooth() - views[0]).abs().mean() > 5e-2


@APIS
@KINDS
@pytest.mark.parametrize("flips", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_erased_box_is_that_of_the_pixels(
    api: ModuleType, kind: str, flips: tuple[int, int]
) -> None:
    if api is v1 and kind == "pil":
        pytest.skip("torchvision v1 erases tensors only")
    mirrors = [api.RandomHorizontalFlip(flips[0]), api.RandomVerticalFlip(flips[1])]
    recorder = TorchvisionRecorder(api.Compose([api.RandomErasing(p=1.0), *mirrors]))
    for seed in range(3):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, torch.ones(3, 50, 70)))
        rows, columns = (as_float(view)[0] == 0).nonzero().unbind(-1)
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        box = torch.stack([rows.min() / 50, columns.min() / 70, height / 50, width / 70])
        torch.testing.assert_close(record["erasing"], box, atol=1e-5, rtol=0)


@APIS
def test_where_no_box_fits_nothing_is_erased(api: ModuleType) -> None:
    pipeline = [
        api.RandomErasing(1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0)),
        api.RandomHorizontalFlip(1),
    ]
    image = torch.rand(3, 20, 30)
    view, record = TorchvisionRecorder(api.Compose(pipeline))(image)
    assert torch.equal(view, image.flip(-1))
    assert record["erasing"].tolist() == [0, 0, 0, 0]
