"""Lightly's transforms recorded as they are."""

from __future__ import annotations

import inspect
import pickle
import random
from typing import Any

import lightly.transforms
import numpy as np
import pytest
import torch
from lightly.data.multi_view_collate import MultiViewCollate
from lightly.transforms import (
    AmplitudeRescaleTransform,
    GaussianBlur,
    GaussianMixtureMask,
    IRFFT2DTransform,
    MAETransform,
    PhaseShiftTransform,
    RandomFrequencyMaskTransform,
    RandomRotate,
    RandomSolarization,
    RFFT2DTransform,
)
from lightly.transforms.ijepa_transform import IJEPATransform
from lightly.transforms.multi_view_transform import MultiViewTransform
from lightly_transforms import NOISE, PICTURE, SIZE, make, seeded
from PIL import ImageFilter, ImageOps
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss import Record
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.encoders import BlurEncoder
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import split_views

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

TRANSFORMS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("SimCLR", "SimSiam", "BYOL", "MoCoV1", "MoCoV2", "SwaV", "DINO")),
    *((name, {}) for name in ("VICReg", "FastSiam", "TiCo", "MMCR", "WMSE", "MSN", "SMoG")),
    *((name, {}) for name in ("IBOT", "DenseCL")),
    *((name, {"rr_prob": 0.7}) for name in ("SimCLR", "BYOL", "SwaV", "DINO", "VICReg")),
    *((name, {"rr_prob": 0.7, "rr_degrees": (-30, 30)}) for name in ("SimCLR", "TiCo", "DINO")),
    ("MoCoV2", {"rr_prob": 1.0, "rr_degrees": 20.0, "vf_prob": 0.5}),
    ("MSN", {"vf_prob": 0.5}),
    ("SimSiam", {"gaussian_blur": 0, "hf_prob": 0}),
    ("DINO", {"gaussian_blur": (0, 0, 0), "solarization_prob": 1.0}),
    ("BYOL", {"gaussian_blur": 0.0, "solarization_prob": 1.0}),
    ("VICReg", {"solarize_prob": 1.0, "sigmas": (0.5, 0.5), "gaussian_blur": 1.0}),
    ("SMoG", {"solarize_probs": (1.0, 0.0), "gaussian_blur_probs": (0.0, 1.0)}),
]


def records(recorder: LightlyRecorder, packed: Tensor) -> list[Record]:
    """Read one sample's records as those of a batch of one."""
    count = packed.shape[0]
    return split_views([*[torch.empty(1)] * count, packed.unsqueeze(0)], recorder.layout)[1]


def states() -> tuple[Any, ...]:
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    inner = legacy["state"]
    return torch.get_rng_state().tolist(), inner["key"].tolist(), inner["pos"], random.getstate()


@pytest.mark.parametrize(("name", "options"), TRANSFORMS)
def test_views_are_bit_for_bit_the_transform_s_own(name: str, options: dict[str, Any]) -> None:
    transform = make(name, **options)
    recorder = LightlyRecorder(transform)
    assert len(recorder.recorders) == len(transform.transforms)
    rows = []
    for seed in range(5):
        expected = seeded(seed, transform)
        after = states()
        *views, packed = seeded(seed, recorder)
        assert states() == after
        assert len(views) == len(expected)
        assert all(map(torch.equal, views, expected))
        assert packed.dtype == torch.int32
        for record in records(recorder, packed):
            for encoder in recorder.encoders:
                encoder.check(record)
            rows.append(torch.cat(list(record.values()), dim=-1))
    assert len(torch.cat(rows).unique(dim=0)) > len(rows) / 2


@pytest.mark.filterwarnings("ignore:The function `to_tensor")  # Lightly's own
def test_tensors_are_recorded_too() -> None:
    transform = make("SimCLR", rr_prob=0.5)
    recorder = LightlyRecorder(transform)
    for seed in range(3):
        views = seeded(seed, recorder, NOISE)[:-1]
        assert all(map(torch.equal, views, seeded(seed, transform, NOISE)))


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


def entry(record: Record, name: str) -> float:
    return float(record[name]) if name in record else float("nan")


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


@pytest.mark.parametrize("name", ["SimCLR", "BYOL", "SwaV", "DINO", "FastSiam", "MMCR", "WMSE"])
def test_a_shared_view_stays_shared(name: str) -> None:
    transform = make(name)
    recorder = LightlyRecorder(transform)
    for twin in (recorder, pickle.loads(pickle.dumps(recorder))):
        for i, one in enumerate(transform.transforms):
            for j, other in enumerate(transform.transforms):
                assert (one is other) == (twin.recorders[i] is twin.recorders[j])


@pytest.mark.parametrize(("name", "options"), TRANSFORMS[::4])
def test_the_transform_is_left_as_it_was(name: str, options: dict[str, Any]) -> None:
    transform = make(name, **options)
    before = pickle.dumps(transform)
    seeded(0, LightlyRecorder(transform))
    assert pickle.dumps(transform) == before


FOURIER = (
    RFFT2DTransform, AmplitudeRescaleTransform, PhaseShiftTransform, RandomFrequencyMaskTransform,
    GaussianMixtureMask, IRFFT2DTransform,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("PIRL", "does not know 'Jigsaw'"),
        ("FDA", "does not know 'RFFT2DTransform'"),
        ("VICRegL", "found 'VICRegLTransform': beside each view it makes a grid of its positions"),
        ("DetConS", "found 'DetConSTransform': its own __call__ hands masks .* compares regions"),
        *(
            (name, f"found '{name}Transform': it makes one view.*MultiViewRecorder")
            for name in ("MAE", "AIM", "CAPI")
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused_by_name(name: str, found: str) -> None:
    with pytest.raises(PipelineError, match=found):
        LightlyRecorder(make(name))


def single() -> list[Any]:
    """Lightly's transforms of one view: MAE's and its like, and every method's views."""
    kinds = [kind for kind in vars(lightly.transforms).values() if inspect.isclass(kind)]
    takes = [k for k in kinds if list(inspect.signature(k).parameters)[:1] == ["input_size"]]
    # Fourier transforms are refused by name, DetCon's views hold no 'transform'.
    strange = ("FDA", "DetCon")
    return [
        k
        for k in takes
        if not (issubclass(k, MultiViewTransform) or k.__name__.startswith(strange))
    ]


@pytest.mark.parametrize("kind", [*single(), IJEPATransform])
def test_the_cure_of_a_single_view_works(kind: Any) -> None:
    transform = kind()
    with pytest.raises(PipelineError, match="makes one view, and AugSelf compares two"):
        LightlyRecorder(transform)
    recorder = LightlyRecorder(MultiViewTransform([transform.transform] * 2))
    if kind in (MAETransform, IJEPATransform):
        *views, packed = recorder(PICTURE)
        assert [tuple(view.shape) for view in views] == [(3, 224, 224)] * 2
        assert records(recorder, packed)[0]["crop"].shape == (1, 4)


def two_views(image: Any) -> list[Any]:
    return make("SimCLR")(image)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (two_views, "two_views"),
        (type(make("SimCLR")), "SimCLRTransform"),
        (MultiViewCollate(), "MultiViewCollate"),
    ],
)
def test_what_hides_its_views_is_not_taken_for_one_view(given: Any, name: str) -> None:
    match = f"found '{name}': what it runs cannot be seen. Give the transform itself"
    with pytest.raises(PipelineError, match=match):
        LightlyRecorder(given)


class Doubled(MultiViewTransform):
    """A transform of a user's own that does more than its base class."""

    def __call__(self, image: Any) -> Any:
        return [*super().__call__(image), image]


@pytest.mark.parametrize("kind", [Doubled, v1.Compose, v2.Compose])
def test_what_runs_its_entries_otherwise_is_refused(kind: Any) -> None:
    given = kind([v1.RandomHorizontalFlip(), v1.RandomVerticalFlip()])
    with pytest.raises(
        PipelineError, match="no MultiViewTransform, or its own __call__ does other"
    ):
        LightlyRecorder(given)


def test_views_that_are_exchanged_are_refused() -> None:
    transform = make("SimCLR")
    recorder = LightlyRecorder(transform)
    seeded(0, recorder)
    transform.transforms.append(transform.transforms[0])
    with pytest.raises(PipelineError, match="'SimCLRTransform' expected the steps"):
        seeded(0, recorder)


def test_lightly_s_own_transforms_are_followed_within_their_ranges() -> None:
    blur, solarize = GaussianBlur(prob=0.0, sigmas=(0.1, 2.0)), RandomSolarization(prob=0.0)
    still = GaussianBlur(prob=0.0)
    flip = v1.RandomHorizontalFlip()
    view = v1.Compose([flip, v1.RandomApply([blur], p=1.0), v1.PILToTensor()])
    blur.prob = 1.0
    recorder = LightlyRecorder(MultiViewTransform([view, view]))
    blur.sigmas = (1.0, 1.0)
    assert {entry(r, "blur") for r in records(recorder, seeded(0, recorder)[-1])} == {1.0}
    blur.sigmas = (3.0, 3.0)
    with pytest.raises(PipelineError, match="'GaussianBlur' expected to draw sigma"):
        seeded(0, recorder)
    other = v1.Compose([flip, still, solarize, v1.PILToTensor()])
    quiet = LightlyRecorder(MultiViewTransform([other, other]))
    seeded(0, quiet)
    solarize.prob = 1.0
    with pytest.raises(PipelineError, match="'RandomSolarization' was built so that it never"):
        seeded(0, quiet)


@pytest.mark.parametrize(("threshold", "fraction"), [(0.5, 0.5 / 255), (128, 128 / 255), (300, 1)])
def test_lightly_s_solarization_counts_to_255(threshold: float, fraction: float) -> None:
    view = v1.Compose([RandomSolarization(prob=1.0, threshold=threshold), v1.PILToTensor()])
    recorder = LightlyRecorder(MultiViewTransform([view, view]))
    for record in records(recorder, seeded(0, recorder)[-1]):
        assert entry(record, "solarize") == pytest.approx(fraction)


@pytest.mark.parametrize("given", [PICTURE, v2.RandomHorizontalFlip(), None, GaussianBlur()])
def test_what_makes_no_views_is_refused(given: Any) -> None:
    with pytest.raises(PipelineError, match=f"found '{type(given).__name__}'"):
        LightlyRecorder(given)


def test_fourier_transforms_may_be_left_out_of_the_record() -> None:
    transform = make("FDA")
    recorder = LightlyRecorder(transform, ignore=FOURIER)
    assert "crop" in recorder.layout
    assert "blur" in recorder.layout
    for seed in range(4):
        views = seeded(seed, recorder)[:-1]
        assert all(map(torch.equal, views, seeded(seed, transform)))


class OtherBlur(GaussianBlur):
    """A blur that draws one number more than Lightly's, as a later version might."""

    def __call__(self, sample: Any) -> Any:
        np.random.random_sample()
        return super().__call__(sample)


class ColdBlur(GaussianBlur):
    """A blur that draws nothing."""

    def __call__(self, sample: Any) -> Any:
        return sample


def apply_fixed(blur: Any, image: Any) -> tuple[Any, Columns | None]:
    return blur(image), (1.25,)


@pytest.mark.parametrize("kind", [OtherBlur, ColdBlur])
def test_a_transform_that_draws_otherwise_is_refused(kind: type[GaussianBlur]) -> None:
    view = v2.Compose([v2.RandomHorizontalFlip(), kind(prob=1.0), v2.PILToTensor()])
    transform = MultiViewTransform([view, view])
    with pytest.raises(PipelineError, match=f"'{kind.__name__}' drew other random numbers"):
        seeded(0, LightlyRecorder(transform))
    ignoring = LightlyRecorder(transform, ignore=[kind])
    assert "blur" not in ignoring.layout
    assert torch.equal(seeded(0, ignoring)[1], seeded(0, transform)[1])


@pytest.mark.parametrize("by", ["class", "instance"])
def test_what_the_user_registers_comes_first(by: str) -> None:
    blur = OtherBlur(prob=1.0)
    view = v2.Compose([blur, v2.PILToTensor()])
    register = {OtherBlur if by == "class" else blur: (BlurEncoder((0.5, 2.0)), apply_fixed)}
    recorder = LightlyRecorder(MultiViewTransform([view, view]), register=register)
    *views, packed = seeded(0, recorder)
    assert [entry(record, "blur") for record in records(recorder, packed)] == [1.25, 1.25]
    assert torch.equal(views[0], seeded(0, view))


def test_types_may_be_recorded_that_no_view_applies() -> None:
    recorder = LightlyRecorder(make("SimCLR"), types=["solarize"])
    made = records(recorder, seeded(0, recorder)[-1])
    assert all(record["solarize"].item() == 1 for record in made)
