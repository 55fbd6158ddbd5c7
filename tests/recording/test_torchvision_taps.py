"""What was recorded is what happened: the pixels of a view tell the same as its record."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as f2

from augself_loss.errors import PipelineError
from augself_loss.parameters import Record
from augself_loss.recording.notes import logged
from augself_loss.recording.torchvision import TorchvisionRecorder

Build: TypeAlias = Callable[[ModuleType], Any]
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
KINDS = pytest.mark.parametrize("kind", ["pil", "uint8", "float"])
HEIGHT, WIDTH = 61, 76


def as_kind(kind: str, image: Tensor) -> Any:
    """Turn a uint8 tensor into the kind of image that a test works on."""
    if kind == "pil":
        return f1.to_pil_image(image)
    return image.float() / 255 if kind == "float" else image


def pixels(view: Any) -> Tensor:
    """Read a view of any kind as (C, H, W) in 0–255."""
    tensor = view if isinstance(view, Tensor) else f1.pil_to_tensor(view)
    return tensor * 255 if tensor.is_floating_point() else tensor.float()


def ramp(height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """Make an image whose pixels say where they are: 1 + row, 1 + column, 255; 0 is padding."""
    rows = torch.arange(1, height + 1).reshape(-1, 1).expand(height, width)
    columns = torch.arange(1, width + 1).expand(height, width)
    return torch.stack([rows, columns, torch.full_like(rows, 255)]).to(torch.uint8)


def photo() -> Tensor:
    """Make a colourful image of middle brightness."""
    return torch.randint(9, 201, (3, 40, 52), generator=torch.Generator().manual_seed(0)).byte()


def smooth(size: int = 96) -> Tensor:
    """Make a float image without edges, for maps that interpolate differently."""
    y, x = torch.meshgrid(torch.linspace(0, 5, size), torch.linspace(0, 4, size), indexing="ij")
    return torch.stack([(x + y).sin(), (2 * y - x).cos(), (x * y / 4).sin()]) / 2 + 0.5


def expected_rows_and_columns(record: Record, shape: tuple[int, int]) -> Tensor:
    """Where each pixel of a view lies in the source, ``(2, h, w)`` in pixels, by the record."""
    turns = int(record["rotation"]) if "rotation" in record else 0
    height, width = shape if turns % 2 == 0 else shape[::-1]
    top, left, box_height, box_width = record["crop"].double()
    rows = (top + (torch.arange(height).double() + 0.5) / height * box_height) * HEIGHT - 0.5
    columns = (left + (torch.arange(width).double() + 0.5) / width * box_width) * WIDTH - 0.5
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    for name, axis in (("flip", -1), ("vertical_flip", -2)):
        if name in record and record[name] == 1:
            places = places.flip(axis)
    return torch.rot90(places, turns, dims=(-2, -1))


def check_places(view: Any, record: Record, tolerance: float, margin: int = 0) -> None:
    """Compare every pixel of a ramp's view with the place that the record gives it."""
    image = pixels(view).double()
    places = expected_rows_and_columns(record, (image.shape[-2], image.shape[-1]))
    inside = (places > -0.5).all(0) & (places[0] < HEIGHT - 0.5) & (places[1] < WIDTH - 0.5)
    if margin == 0:
        torch.testing.assert_close(image[2] > 254.5, inside)
    else:
        inner = torch.zeros_like(inside)
        inner[margin:-margin, margin:-margin] = True
        inside &= inner
    assert inside.any()
    torch.testing.assert_close(image[:2, inside] - 1, places[:, inside], atol=tolerance, rtol=0)


def quarters(api: ModuleType) -> Any:
    return api.RandomChoice([api.RandomRotation((k * 90, k * 90)) for k in range(4)])


def flips(api: ModuleType) -> list[Any]:
    return [api.RandomHorizontalFlip(0.5), api.RandomVerticalFlip(0.5)]


EXACT: dict[str, Build] = {
    "crop": lambda t: t.RandomCrop(20),
    "padded by int": lambda t: t.RandomCrop((50, 70), padding=14),
    "padded by two": lambda t: t.RandomCrop((55, 70), padding=(9, 15)),
    "padded by four": lambda t: t.RandomCrop((60, 70), padding=[3, 14, 25, 6]),
    "pad if needed": lambda t: t.RandomCrop((70, 81), pad_if_needed=True),
    "pad and pad if needed": lambda t: t.RandomCrop((90, 60), padding=(1, 2), pad_if_needed=True),
    **{f"centre {size}": lambda t, size=size: t.CenterCrop(size) for size in (
        (21, 33), (20, 33), (21, 36), (22, 34), (23, 35), (64, 81), (65, 80), (66, 21), (22, 79), 9,
    )},
    **{f"pad {pad}": lambda t, pad=pad: t.Pad(pad) for pad in (3, [3, 4], (1, 2, 3, 4))},
    "flips": lambda t: t.Compose(flips(t)),
    "flip before crop": lambda t: t.Compose([*flips(t), t.RandomCrop((25, 31))]),
    "flip after crop": lambda t: t.Compose([t.RandomCrop((25, 31)), *flips(t)]),
    "crop of a crop": lambda t: t.Compose([t.RandomCrop((41, 50)), *flips(t), t.CenterCrop(20)]),
    "pad, flip, crop": lambda t: t.Compose([t.Pad([5, 0, 9, 3]), *flips(t), t.RandomCrop(60)]),
    "turns": lambda t: t.Compose([t.RandomCrop(40), quarters(t)]),
    "turns and flips": lambda t: t.Compose(
        [t.RandomCrop(40), *flips(t), quarters(t), *flips(t), quarters(t)]
    ),
    "crop of turns": lambda t: t.Compose(
        [t.RandomCrop(40), *flips(t), quarters(t), *flips(t), t.RandomCrop((20, 30))]
    ),
    "any order": lambda t: t.RandomOrder([t.RandomCrop(40), t.RandomApply(flips(t), 0.5)]),
    "one of": lambda t: t.RandomChoice([t.RandomCrop(40), t.CenterCrop(30), t.Pad(2)]),
}  # fmt: skip


@APIS
@KINDS
@pytest.mark.parametrize("name", EXACT)
def test_box_flips_and_turns_are_those_of_the_pixels(api: ModuleType, kind: str, name: str) -> None:
    recorder = TorchvisionRecorder(EXACT[name](api), types=["crop"])
    seen = []
    for seed in range(6):
        random.seed(seed)  # v1's RandomChoice draws from it
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, ramp()))
        check_places(view, record, tolerance=1e-3)
        seen.append(torch.cat(list(record.values())))
    assert len(torch.stack(seen).unique(dim=0)) > 1 or name.startswith(("centre", "pad "))


RESIZED: dict[str, Build] = {
    "resized crop": lambda t: t.RandomResizedCrop((48, 56), scale=(0.2, 0.9), antialias=True),
    "crop of a resized crop": lambda t: t.Compose(
        [t.RandomResizedCrop(64, scale=(0.5, 0.9)), *flips(t), t.RandomCrop(40, padding=3)]
    ),
    "resize then crop": lambda t: t.Compose([t.Resize((122, 114)), t.RandomCrop(60), *flips(t)]),
    "resize short side, centre": lambda t: t.Compose([t.Resize(50), t.CenterCrop(45)]),
    "turned resized crop": lambda t: t.Compose(
        [t.RandomResizedCrop(64), quarters(t), t.RandomResizedCrop(40, scale=(0.4, 1.0)), *flips(t)]
    ),
}


@APIS
@KINDS
@pytest.mark.parametrize("name", RESIZED)
def test_box_of_a_resized_view_is_that_of_the_pixels(api: ModuleType, kind: str, name: str) -> None:
    recorder = TorchvisionRecorder(RESIZED[name](api))
    for seed in range(4):
        torch.manual_seed(seed)
        view, record = recorder(as_kind(kind, ramp()))
        # uint8 rounds at each of two resamplings, and the outermost pixels see the border.
        check_places(view, record, tolerance=0.3 if kind == "float" else 1.05, margin=6)


@APIS
@KINDS
def test_a_quarter_turn_may_grow_the_canvas(api: ModuleType, kind: str) -> None:
    recorder = TorchvisionRecorder(api.RandomRotation((270, 270), expand=True), types=["crop"])
    # v1 pads a row and a column of tensors.
    check_places(*recorder(as_kind(kind, ramp())), tolerance=1.1, margin=2)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@APIS
def test_grey_pil_images_are_recorded_like_coloured_ones(api: ModuleType, mode: str) -> None:
    pipeline = api.Compose([api.RandomCrop(30, padding=5), *flips(api), api.RandomGrayscale(1.0)])
    torch.manual_seed(0)
    view, record = TorchvisionRecorder(pipeline)(f1.to_pil_image(photo()).convert(mode))
    assert view.mode == mode
    torch.manual_seed(0)
    _, same = TorchvisionRecorder(pipeline)(photo())
    if mode == "L":  # what has one channel has no colour to lose
        assert record["grayscale"] == 0
        same["grayscale"] = record["grayscale"]
    torch.testing.assert_close(record, same)


@APIS
def test_a_crop_after_a_quarter_turn_needs_a_square(api: ModuleType) -> None:
    pipeline = api.Compose([api.RandomRotation((90, 90), expand=True), api.RandomCrop(20)])
    with pytest.raises(PipelineError, match="after a quarter turn"):
        TorchvisionRecorder(pipeline)(ramp())


@APIS
def test_a_quarter_turn_that_cuts_the_image_is_refused(api: ModuleType) -> None:
    with pytest.raises(PipelineError, match="a quarter turn on its old size"):
        TorchvisionRecorder(api.RandomRotation((90, 90)))(ramp())


def redo_color(f: ModuleType, image: Any, record: Record) -> Any:
    adjust = (f.adjust_brightness, f.adjust_contrast, f.adjust_saturation, f.adjust_hue)
    factors = record["color"].tolist()
    for i in record["color_order"].int().tolist():
        if factors[i] != (1.0, 1.0, 1.0, 0.0)[i]:
            image = adjust[i](image, factors[i])
    return image


def threshold(kind: str) -> float:
    return 0.5 if kind == "float" else 128


Redo: TypeAlias = Callable[[ModuleType, Any, Record], Any]
PHOTOMETRIC: dict[str, tuple[Callable[[ModuleType, str], Any], Redo]] = {
    "color": (lambda t, _: t.ColorJitter(0.4, 0.5, (0.2, 1.9), 0.3), redo_color),
    "some color": (lambda t, _: t.ColorJitter(0.4, 0, 0.4), redo_color),
    "blur": (
        lambda t, _: t.GaussianBlur((5, 7), sigma=(0.5, 2.0)),
        lambda f, i, r: f.gaussian_blur(i, [5, 7], [float(r["blur"])]),
    ),
    "solarize": (
        lambda t, kind: t.RandomSolarize(threshold(kind), p=1.0),
        lambda f, i, r: f.solarize(
            i, float(r["solarize"])
            if isinstance(i, Tensor) and i.is_floating_point()
            else round(255 * float(r["solarize"])),
        ),
    ),
    "posterize": (
        lambda t, _: t.RandomPosterize(3, p=1.0),
        lambda f, i, r: f.posterize(i, int(r["posterize"])),
    ),
    "sharpness": (
        lambda t, _: t.RandomAdjustSharpness(1.75, p=1.0),
        lambda f, i, r: f.adjust_sharpness(i, float(r["sharpness"])),
    ),
    "invert": (lambda t, _: t.RandomInvert(1.0), lambda f, i, _: f.invert(i)),
    "equalize": (lambda t, _: t.RandomEqualize(1.0), lambda f, i, _: f.equalize(i)),
    "autocontrast": (lambda t, _: t.RandomAutocontrast(1.0), lambda f, i, _: f.autocontrast(i)),
    "grayscale": (lambda t, _: t.RandomGrayscale(1.0), lambda f, i, _: f.rgb_to_grayscale(i, 3)),
}  # fmt: skip


@APIS
@KINDS
@pytest.mark.parametrize("name", PHOTOMETRIC)
def test_a_record_gives_the_exact_pixels_again(api: ModuleType, kind: str, name: str) -> None:
    if kind == "float" and api is v1 and name in ("posterize", "equalize"):
        pytest.skip("torchvision v1 knows this for uint8 only")
    build, redo = PHOTOMETRIC[name]
    recorder = TorchvisionRecorder(build(api, kind))
    image = as_kind(kind, photo())
    for seed in range(4):
        torch.manual_seed(seed)
        view, record = recorder(image)
        assert not torch.equal(pixels(view), pixels(image))
        again = redo(f1 if api is v1 else f2, image, record)
        assert torch.equal(pixels(again), pixels(view))


@APIS
def test_a_plain_pipeline_notes_nothing(api: ModuleType) -> None:
    pipeline = api.Compose([api.RandomCrop(20), api.ColorJitter(0.4)])
    TorchvisionRecorder(pipeline)(photo())
    with logged() as steps:
        pipeline(photo())
    assert steps == []
