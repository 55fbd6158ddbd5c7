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
    RandomSolarization,
    RFFT2DTransform,
)
from lightly.transforms.ijepa_transform import IJEPATransform
from lightly.transforms.multi_view_transform import MultiViewTransform
from lightly_transforms import NOISE, PICTURE, SIZE, entry, make, records, seeded
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.encoders import BlurEncoder
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError, RecordError
from augself_loss.objectives import EquiMod

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
        ("PIRL", "it can record, found 'Jigsaw'"),
        ("FDA", "it can record, found 'RFFT2DTransform'"),
        ("VICRegL", "found 'VICRegLTransform': it also makes a grid of positions"),
        ("DetConS", "found 'DetConSTransform': it also returns masks .* compares regions"),
        *(
            (name, f"found '{name}Transform': it makes one view.*MultiViewTransform")
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
    match = f"found '{name}': its pipelines are hidden. Pass the transform object"
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
        PipelineError, match="not a MultiViewTransform, or its own __call__ does more"
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
    with pytest.raises(PipelineError, match="'GaussianBlur' expected sigma in"):
        seeded(0, recorder)
    other = v1.Compose([flip, still, solarize, v1.PILToTensor()])
    quiet = LightlyRecorder(MultiViewTransform([other, other]))
    seeded(0, quiet)
    solarize.prob = 1.0
    with pytest.raises(PipelineError, match="'RandomSolarization' to leave views unchanged"):
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
    """A blur that draws one number more than Lightly's."""

    def __call__(self, sample: Any) -> Any:
        np.random.random_sample()
        return super().__call__(sample)


class WeakBlur(GaussianBlur):
    """Lightly's, with other defaults."""

    def __init__(self) -> None:
        super().__init__(sigmas=(0.1, 0.5), prob=1.0)


def cold(_: Any, sample: Any) -> Any:
    return sample


def apply_fixed(blur: Any, image: Any) -> tuple[Any, Columns | None]:
    return blur(image), (1.25,)


def blurring(blur: GaussianBlur) -> MultiViewTransform:
    view = v2.Compose([v2.RandomHorizontalFlip(), blur, v2.PILToTensor()])
    return MultiViewTransform([view, view])


def test_a_subclass_with_code_of_its_own_is_refused() -> None:
    transform = blurring(OtherBlur(prob=1.0))
    with pytest.raises(PipelineError, match="it can record, found 'OtherBlur'"):
        LightlyRecorder(transform)
    ignoring = LightlyRecorder(transform, ignore=[OtherBlur])
    assert "blur" not in ignoring.layout
    assert torch.equal(seeded(0, ignoring)[1], seeded(0, transform)[1])


def test_a_subclass_that_only_sets_arguments_is_lightlys() -> None:
    transform = blurring(WeakBlur())
    recorder = LightlyRecorder(transform)
    *views, packed = seeded(0, recorder)
    assert all(map(torch.equal, views, seeded(0, transform)))
    assert all(0.1 <= entry(record, "blur") <= 0.5 for record in records(recorder, packed))


PLAIN = GaussianBlur.__call__


def warm(blur: Any, sample: Any) -> Any:
    np.random.random_sample()
    return PLAIN(blur, sample)


@pytest.mark.parametrize("call", [cold, warm])
def test_a_version_that_draws_otherwise_is_refused(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GaussianBlur, "__call__", call)
    with pytest.raises(PipelineError, match="'GaussianBlur' to draw the random numbers"):
        seeded(0, LightlyRecorder(blurring(GaussianBlur(prob=1.0))))


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


def test_a_third_view_is_one_more_pipeline() -> None:
    """As docs/objectives.md appends it for EquiMod; the two before it are what they were."""
    both = make("SimCLR")
    plain = v2.Compose([v2.Resize((SIZE, SIZE)), v2.PILToTensor()])
    three = LightlyRecorder(MultiViewTransform([*both.transforms, plain]))
    view1, view2, third, packed = seeded(0, three)
    for view, expected in zip((view1, view2), seeded(0, both), strict=True):
        assert torch.equal(view, expected)
    assert torch.equal(third, plain(PICTURE))
    made = records(three, packed)
    assert made[2]["crop"].tolist() == [[0, 0, 1, 1]]
    EquiMod(8, EquiMod.describe(three.encoders)).check_third(made[2])
    with pytest.raises(RecordError, match="found 'crop' drawn"):
        EquiMod(8, EquiMod.describe(three.encoders)).check_third(
            {name: torch.cat([made[0][name], made[1][name]]) for name in made[0]}
        )
