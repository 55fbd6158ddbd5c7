"""What Lightly's transforms did to a view is what their record says, effect by effect."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightly.transforms import RandomRotate
from lightly.transforms.multi_view_transform import MultiViewTransform
from lightly_transforms import NOISE, PICTURE, SIZE, entry, make, records, seeded
from PIL import ImageFilter, ImageOps
from torch import Tensor
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss import Record
from augself_loss.adapters.lightly import LightlyRecorder

pytestmark = pytest.mark.host

STILL = {"cj_prob": 0, "random_gray_scale": 0, "hf_prob": 0, "gaussian_blur": 0, "normalize": None}


def one_effect(name: str = "SimCLR", **options: Any) -> list[tuple[Tensor, Record]]:
    """Make uint8 views that show the whole picture, changed by nothing but ``options``."""
    recorder = LightlyRecorder(make(name, **{**STILL, "min_scale": 1.0, **options}))
    made = []
    for seed in range(12):
        *views, packed = seeded(seed, recorder)
        whole = [view.mul(255).round().byte() for view in views]
        made += list(zip(whole, records(recorder, packed), strict=True))
    return made


def test_blur_is_recorded_by_its_sigma() -> None:
    made = one_effect(gaussian_blur=0.5, sigmas=(0.3, 4.0))
    for view, record in made:
        sigma = entry(record, "blur")
        blurred = PICTURE.filter(ImageFilter.GaussianBlur(sigma)) if sigma else PICTURE
        # PIL gets the recorded float32, and may round the odd pixel otherwise.
        assert (view.int() - f1.pil_to_tensor(blurred).int()).abs().max() <= 1
    sigmas = [entry(record, "blur") for _, record in made]
    assert 0.0 in sigmas
    assert len(set(sigmas)) > len(made) / 3


def test_solarization_is_recorded_by_its_threshold() -> None:
    made = one_effect("VICReg", solarize_prob=0.5)
    for view, record in made:
        threshold = round(entry(record, "solarize") * 255)
        solarized = ImageOps.solarize(PICTURE, threshold) if threshold < 255 else PICTURE
        assert view.equal(f1.pil_to_tensor(solarized))
    assert {round(entry(record, "solarize") * 255) for _, record in made} == {128, 255}


def test_quarter_turns_are_recorded() -> None:
    made = one_effect(rr_prob=0.5)
    for view, record in made:
        assert view.equal(NOISE.rot90(int(entry(record, "rotation")), (-2, -1)))
    assert {entry(record, "rotation") for _, record in made} == {0.0, 1.0}


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (-90, 3), (450, 1)])
def test_other_quarter_turns_are_recorded(angle: int, turns: int) -> None:
    view = v2.Compose([RandomRotate(1.0, angle), v2.PILToTensor()])
    recorder = LightlyRecorder(MultiViewTransform([view, view]))
    *views, packed = seeded(0, recorder)
    assert views[0].equal(NOISE.rot90(turns, (-2, -1)))
    assert [entry(record, "rotation") for record in records(recorder, packed)] == [turns] * 2


def turned(angle: float) -> Tensor:
    return f1.pil_to_tensor(f1.rotate(PICTURE, angle))


def same_pixels(a: Tensor, b: Tensor) -> float:
    return float((a == b).float().mean())


@pytest.mark.parametrize("degrees", [(-30, 30), (10, 40), 25.0])
def test_angles_are_recorded_with_their_sign(degrees: Any) -> None:
    made = one_effect(rr_prob=0.7, rr_degrees=degrees)
    angles = [entry(record, "angle") for _, record in made]
    for (view, _), angle in zip(made, angles, strict=True):
        assert same_pixels(view, turned(angle)) > 0.98
        assert abs(angle) < 8 or same_pixels(view, turned(-angle)) < 0.6
    assert 0.0 in angles
    low, high = (-degrees, degrees) if isinstance(degrees, float) else degrees
    assert all(low <= angle <= high for angle in angles if angle)
    assert (min(angles) < 0) == (low < 0)


@pytest.mark.parametrize("angle", [30, -45])
def test_a_fixed_angle_is_recorded_where_it_is_applied(angle: int) -> None:
    view = v2.Compose([RandomRotate(0.5, angle), v2.PILToTensor()])
    recorder = LightlyRecorder(MultiViewTransform([view, view]))
    seen = set()
    for seed in range(6):
        *views, packed = seeded(seed, recorder)
        for image, record in zip(views, records(recorder, packed), strict=True):
            seen.add(entry(record, "angle"))
            assert image.equal(turned(entry(record, "angle")))
    assert seen == {0.0, float(angle)}


def test_flips_are_recorded() -> None:
    made = one_effect(hf_prob=0.5, vf_prob=0.5)
    kinds = set()
    for view, record in made:
        flips = [entry(record, name) for name in ("flip", "vertical_flip")]
        axes = [axis for axis, flip in zip((-1, -2), flips, strict=True) if flip]
        assert view.equal(NOISE.flip(axes))
        kinds.add(tuple(flips))
    assert len(kinds) == 4


def test_color_and_grayscale_are_recorded() -> None:
    for view, record in one_effect(random_gray_scale=0.5):
        assert bool(record["grayscale"]) == view[0].equal(view[1])
    applied = []
    for view, record in one_effect(cj_prob=0.5):
        applied.append(record["color"].ne(torch.tensor([1.0, 1.0, 1.0, 0.0])).any().item())
        assert view.equal(NOISE) != applied[-1]
    assert len(set(applied)) == 2


def test_each_color_factor_is_recorded() -> None:
    adjust: dict[str, Any] = {
        "cj_bright": f1.adjust_brightness,
        "cj_contrast": f1.adjust_contrast,
        "cj_sat": f1.adjust_saturation,
        "cj_hue": f1.adjust_hue,
    }
    for column, (option, run) in enumerate(adjust.items()):
        only = dict.fromkeys(adjust, 0.0) | {option: 0.4, "cj_prob": 1.0}
        for view, record in one_effect(**only):
            expected = f1.pil_to_tensor(run(PICTURE, float(record["color"][0, column])))
            assert (view.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("options", [{}, {"rr_prob": 0.5, "vf_prob": 0.5}])
def test_the_crop_is_recorded_in_the_picture_s_frame(options: dict[str, Any]) -> None:
    grid = (torch.arange(96) + 0.5) / 96
    x, y = grid.expand(96, 96), grid[:, None].expand(96, 96)
    picture = f1.to_pil_image(torch.stack([x, y, torch.zeros(96, 96)]))
    recorder = LightlyRecorder(make("SimCLR", **{**STILL, "hf_prob": 0.5, **options}))
    places = (torch.arange(SIZE) + 0.5) / SIZE
    for seed in range(12):
        *views, packed = seeded(seed, recorder, picture)
        for view, record in zip(views, records(recorder, packed), strict=True):
            top, left, height, width = record["crop"][0].tolist()
            seen_x = (left + places * width).expand(SIZE, SIZE)
            seen_y = (top + places * height)[:, None].expand(SIZE, SIZE)
            axes = [
                axis for axis, name in ((-1, "flip"), (-2, "vertical_flip")) if record[name].item()
            ]
            expected = torch.stack([seen_x, seen_y]).flip(axes)
            if "rotation" in record:
                expected = expected.rot90(int(record["rotation"]), (-2, -1))
            torch.testing.assert_close(view[:2], expected, atol=0.03, rtol=0)
