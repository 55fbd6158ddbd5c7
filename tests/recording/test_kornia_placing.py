"""A recorder says of its pipeline what records leave open, or that they leave too much open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss.errors import PipelineError
from augself_loss.geometry import matrix
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

SIZE = (44, 60)
RESAMPLED = {"cropping_mode": "resample", "align_corners": False}
Build = Callable[[], nn.Module]


def resized(size: tuple[int, int] = (20, 24), **how: Any) -> nn.Module:
    return K.RandomResizedCrop(size, (0.2, 0.8), **how)


def shrunk(size: tuple[int, int] = (20, 24), **how: Any) -> nn.Module:
    return K.Resize(size, **{"align_corners": False, **how})


def turned() -> nn.Module:
    return K.RandomRotation(9.0)


TOLD: dict[str, Callable[[], list[nn.Module]]] = {
    "nothing that moves": lambda: [K.RandomGrayscale()],
    "slice": lambda: [resized()],
    "slice, half pixels": lambda: [K.RandomHorizontalFlip(), resized(align_corners=False)],
    "resample": lambda: [resized(**RESAMPLED)],
    "nearest": lambda: [resized(resample="nearest")],
    "cut": lambda: [K.RandomCrop((30, 20)), K.RandomVerticalFlip()],
    "padded": lambda: [K.RandomCrop((50, 70), pad_if_needed=True)],
    "stretched": lambda: [K.RandomCrop((50, 30))],
    "centre": lambda: [K.CenterCrop((30, 20))],
    "cut, then resized": lambda: [K.RandomCrop((30, 40)), resized()],
    "edges twice": lambda: [resized(align_corners=False), resized((9, 9), resample="nearest")],
    "warps": lambda: [resized(), K.RandomPerspective(0.3), K.RandomAffine(20.0, shear=9.0)],
    "warps, the other way": lambda: [K.RandomAffine(20.0), K.RandomPerspective(0.3)],
    "warp, then resize": lambda: [resized((30, 20)), K.RandomRotation(40.0), shrunk()],
    "resize, then warp": lambda: [shrunk((30, 20)), K.RandomRotation(40.0)],
    "resized by its short side": lambda: [K.Resize(20, align_corners=False), K.RandomRotation(9.0)],
    "resized to what it is": lambda: [K.Resize(SIZE), resized()],
    "resized by centres, then made smaller": lambda: [resized(), shrunk((9, 13))],
    "turned": lambda: [resized((20, 20)), K.RandomRotation90((0, 3)), K.RandomRotation(9.0)],
}  # fmt: skip


@pytest.mark.skipif(
    ONLY_APPLIED_ROWS, reason="before 0.9 Kornia's matrices are not those of its images"
)
@pytest.mark.parametrize("name", TOLD)
def test_what_it_says_makes_records_exact(
    name: str, apart: Callable[[Tensor, Tensor, tuple[int, int]], Tensor]
) -> None:
    pipeline = K.AugmentationSequential(*TOLD[name]())
    recorder = KorniaRecorder(pipeline)
    pixels = recorder.pixels(SIZE)
    for seed in range(4):
        torch.manual_seed(seed)
        views, record = recorder(torch.rand(6, 3, *SIZE))
        assert pixels.view == views.shape[-2:]
        if not any(entry in record for entry in ("crop", "flip", "angle", "affine")):
            continue
        told = torch.linalg.inv(pipeline.transform_matrix.double())
        assert apart(matrix(record, pixels), told, pixels.view).max() < 1e-3


class Mirror(nn.Module):
    """Moves pixels in a way that nobody knows."""

    def forward(self, images: Tensor) -> Tensor:
        """Mirror."""
        return images.flip(-1)


def one_of(*steps: nn.Module) -> nn.Module:
    return K.ImageSequential(*steps, random_apply=1)


CENTRES, SIZES = "align_corners=False, found True", "images of the same size"
REFUSED: dict[str, tuple[Build, str]] = {
    "resized by centres": (lambda: K.Resize((9, 9)), CENTRES),
    "longest": (lambda: K.LongestMaxSize(30), CENTRES),
    "two crops": (lambda: nn.Sequential(resized(), resized((9, 9))), CENTRES),
    "a cut after it": (lambda: nn.Sequential(resized(), K.RandomCrop((9, 9))), CENTRES),
    "one after edges": (lambda: nn.Sequential(shrunk((30, 40)), resized()), CENTRES),
    "warps of two sizes": (
        lambda: nn.Sequential(turned(), shrunk(), K.RandomAffine(9.0, align_corners=True)), SIZES,
    ),
    "a size between crop and warp": (
        lambda: nn.Sequential(resized(), shrunk((9, 9)), turned()), SIZES,
    ),
    "padded after a crop": (
        lambda: nn.Sequential(resized(align_corners=False), K.RandomCrop((20, 24), padding=2)),
        "where that padding begins",
    ),
    "at random": (lambda: resized(p=0.5), "views have several sizes"),
    "one of": (lambda: one_of(resized(), K.RandomHorizontalFlip()), "views have several sizes"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_records_do_not_tell_is_refused(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(PipelineError, match=f"{message}.*geometry.Pixels"):
        KorniaRecorder(build()).pixels(SIZE)


@pytest.mark.skipif(not ONLY_APPLIED_ROWS, reason="since 0.9 Kornia's images are where it says")
@pytest.mark.parametrize("step", [K.RandomAffine(9.0), resized(**RESAMPLED)], ids=["warp", "crop"])
def test_an_older_kornia_warps_otherwise_than_it_says(step: nn.Module) -> None:
    with pytest.raises(PipelineError, match="found an older version"):
        KorniaRecorder(step).pixels(SIZE)
    assert KorniaRecorder(K.RandomAffine(9.0, align_corners=True)).pixels(SIZE).view == SIZE


def test_what_is_ignored_may_move_pixels() -> None:
    pipeline = nn.Sequential(K.RandomHorizontalFlip(), Mirror(), K.RandomPlasmaBrightness())
    recorder = KorniaRecorder(pipeline, ignore=[Mirror, K.RandomPlasmaBrightness])
    with pytest.raises(
        PipelineError,
        match="'Mirror' to leave pixels in place, found that it is not recorded and may move",
    ):
        recorder.pixels(SIZE)
    values = KorniaRecorder(pipeline[::2], ignore=[K.RandomPlasmaBrightness])
    assert values.pixels(SIZE).view == SIZE


def test_sizes_may_be_those_of_a_shape() -> None:
    images = torch.rand(2, 3, *SIZE)
    assert KorniaRecorder(resized()).pixels(images.shape[-2:]).source == SIZE
