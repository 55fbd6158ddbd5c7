"""What a transform's ranges say before anything is drawn, for both hosts alike."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss import AffineEncoder, AngleEncoder, PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

Build = Callable[[], Any]
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
NARROW = (1 - 1e-6, 1 + 1e-6)

PARTLY_NARROW: dict[str, tuple[Any, str, tuple[Any, ...]]] = {
    "Kornia jitter": (
        lambda: KorniaRecorder(K.ColorJitter(0.5, NARROW, p=1.0)),
        "color",
        ((0.5, 1.5), None, None, None),
    ),
    "Kornia jiggle": (
        lambda: KorniaRecorder(K.ColorJiggle(0.5, NARROW, p=1.0)),
        "color_jiggle",
        ((0.5, 1.5), None, None, None),
    ),
    "Kornia gamma": (
        lambda: KorniaRecorder(K.RandomGamma(NARROW, (0.5, 1.5))),
        "gamma",
        (None, (0.5, 1.5)),
    ),
    "Kornia affine": (
        lambda: KorniaRecorder(K.RandomAffine(20.0, scale=NARROW)),
        "affine",
        ((-20.0, 20.0), None, None, None, None, None, None),
    ),
    "v1 jitter": (
        lambda: TorchvisionRecorder(v1.ColorJitter(0.5, NARROW)),
        "color",
        ((0.5, 1.5), None, None, None),
    ),
    "v2 jitter": (
        lambda: TorchvisionRecorder(v2.ColorJitter(0.5, NARROW)),
        "color",
        ((0.5, 1.5), None, None, None),
    ),
    "v2 affine": (
        lambda: TorchvisionRecorder(v2.RandomAffine(20, scale=NARROW)),
        "affine",
        ((-20.0, 20.0), None, None, None, None, None, None),
    ),
}


@pytest.mark.parametrize("case", PARTLY_NARROW)
def test_a_narrow_column_leaves_the_others_recorded(case: str) -> None:
    build, name, ranges = PARTLY_NARROW[case]
    recorder = build()
    (encoder,) = recorder.encoders
    assert (encoder.name, encoder.ranges) == (name, ranges)
    image = torch.rand(3, 8, 8)
    _, record = recorder(image[None] if case.startswith("Kornia") else image)
    encoder.check({key: value.reshape(1, -1) for key, value in record.items()})


NEVER: dict[str, Build] = {
    "Kornia jitter": lambda: KorniaRecorder(K.ColorJitter(p=1.0)),
    "Kornia brightness": lambda: KorniaRecorder(K.RandomBrightness((1.0, 1.0))),
    "Kornia affine": lambda: KorniaRecorder(K.RandomAffine(0.0)),
    "Kornia gamma": lambda: KorniaRecorder(K.RandomGamma((1.0, 1.0), (1.0, 1.0))),
    "Kornia sharpness": lambda: KorniaRecorder(K.RandomSharpness((1.0, 1.0))),
    "v1 jitter": lambda: TorchvisionRecorder(v1.ColorJitter()),
    "v2 sharpness": lambda: TorchvisionRecorder(v2.RandomAdjustSharpness(1.0)),
    "v2 affine": lambda: TorchvisionRecorder(v2.RandomAffine(0)),
}


@pytest.mark.parametrize("case", NEVER)
def test_what_never_changes_a_view_is_left_out(case: str) -> None:
    assert list(NEVER[case]().layout) == []


UNTOLD: dict[str, tuple[Build, str]] = {
    "solarize that only adds": (
        lambda: KorniaRecorder(K.RandomSolarize((1.0, 1.0), (-0.4, 0.4))),
        "'RandomSolarize' expected thresholds below 1.*ignore=",
    ),
    "solarize of white alone": (
        lambda: KorniaRecorder(K.RandomSolarize((1.0, 1.0), (0.0, 0.0))),
        "'RandomSolarize' expected thresholds below 1",
    ),
    "posterize to 8 bits": (
        lambda: KorniaRecorder(K.RandomPosterize((8, 8))),
        "'RandomPosterize' expected fewer than 8 bits.*ignore=",
    ),
    "jitter too narrow to be told": (
        lambda: KorniaRecorder(K.ColorJitter(NARROW, 0.0)),
        "'ColorJitter' cannot be recorded with its settings.*zero width.*ignore=",
    ),
    "v2 jitter too narrow to be told": (
        lambda: TorchvisionRecorder(v2.ColorJitter(NARROW)),
        "'ColorJitter' cannot be recorded with its settings.*zero width",
    ),
    "Kornia gamma too narrow to be told": (
        lambda: KorniaRecorder(K.RandomGamma(NARROW, (1.0, 1.0))),
        "'RandomGamma' cannot be recorded with its settings",
    ),
}


@pytest.mark.parametrize("case", UNTOLD)
def test_what_changes_views_and_cannot_be_told_is_refused(case: str) -> None:
    build, message = UNTOLD[case]
    with pytest.raises(PipelineError, match=message):
        build()


@APIS
@pytest.mark.parametrize("own", [(), (AngleEncoder(90), AffineEncoder((-90.0, 90.0)))])
def test_maps_about_another_point_are_refused_when_they_are_given(
    api: ModuleType, own: tuple[Any, ...]
) -> None:
    steps = [
        api.RandomRotation(30, center=(3, 4)),
        api.RandomRotation((90, 90), center=(3, 4)),
        api.RandomRotation((90, 90), expand=True, center=(3, 4)),
        api.RandomAffine(30, center=(3, 4)),
    ]
    for step in steps:
        with pytest.raises(PipelineError, match=r"center=.*3, 4.*Leave center out, or .*ignore="):
            TorchvisionRecorder(step, encoders=own)
        TorchvisionRecorder(step, ignore=[step])


@APIS
def test_torchvisions_erasing_before_a_map_is_refused(api: ModuleType) -> None:
    for step in (api.RandomAffine(10), api.RandomPerspective(), api.RandomRotation(10)):
        with pytest.raises(
            PipelineError,
            match=f"'{type(step).__name__}' before 'RandomErasing', found that it can",
        ):
            TorchvisionRecorder(api.Compose([api.RandomErasing(), step]))
        TorchvisionRecorder(api.Compose([step, api.RandomErasing()]))
