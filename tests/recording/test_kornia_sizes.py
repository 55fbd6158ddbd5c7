"""Sizes that change where Kornia does not see it, and crops larger than their image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import kornia.geometry.transform as warp
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss import PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS, STRETCHES

Build = Callable[..., nn.Module]
Images = Callable[..., Tensor]
Misplaced = Callable[..., Tensor]


def crop(mode: str = "slice") -> nn.Module:
    return K.RandomResizedCrop((16, 16), (0.2, 0.6), cropping_mode=mode)


SIZED: dict[str, Build] = {
    "crop": crop,
    "random crop": lambda: K.RandomCrop((8, 8)),
    "erasing": K.RandomErasing,
    "affine": lambda: K.RandomAffine(0.0, translate=(0.2, 0.2)),
    "perspective": K.RandomPerspective,
}
SIZERS: dict[str, Build] = {
    "Sequential": lambda: nn.Sequential(K.Resize((64, 64))),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Identity(), K.CenterCrop(24))),
    "Resize": lambda: warp.Resize((64, 64)),
    "Kornia's inside": lambda: nn.Sequential(K.ImageSequential(crop())),
}
WRAPS: dict[str, Build] = {
    "AugmentationSequential": K.AugmentationSequential,
    "ImageSequential": K.ImageSequential,
    "nested": lambda *c: nn.Sequential(K.ImageSequential(K.ImageSequential(c[0]), *c[1:])),
    "far": lambda *c: K.ImageSequential(c[0], K.RandomVerticalFlip(), K.ImageSequential(*c[1:])),
    "any order": lambda *c: K.ImageSequential(*c[::-1], random_apply=True),
}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("sizer", SIZERS)
@pytest.mark.parametrize("sized", SIZED)
def test_a_size_changed_unseen_before_a_sized_step_is_refused(
    sized: str, sizer: str, wrap: str
) -> None:
    with pytest.raises(PipelineError):
        KorniaRecorder(WRAPS[wrap](SIZERS[sizer](), SIZED[sized]()))


@pytest.mark.parametrize("sizer", SIZERS)
def test_the_refusal_names_the_module_and_the_cure(sizer: str) -> None:
    module = SIZERS[sizer]()
    with pytest.raises(
        PipelineError,
        match=r"to keep the image's size, found that it changes it.*plain nn.Sequential",
    ) as e:
        KorniaRecorder(K.AugmentationSequential(module, crop()))
    assert f"'{type(module).__name__}' inside AugmentationSequential" in str(e.value)


@pytest.mark.skipif(not ONLY_APPLIED_ROWS, reason="since Kornia 0.9 Resize takes any image whole")
def test_an_old_resize_after_an_unseen_one_is_refused() -> None:
    with pytest.raises(PipelineError, match="to keep the image's size, found that it changes it"):
        KorniaRecorder(K.ImageSequential(warp.Resize((40, 40)), K.Resize((24, 24))))


CURED: dict[str, Build] = {
    "Kornia's own Resize": lambda m: K.AugmentationSequential(K.Resize((48, 40)), crop(m)),
    "plain outside": lambda m: nn.Sequential(warp.Resize((48, 40)), K.ImageSequential(crop(m))),
    "plain throughout": lambda m: nn.Sequential(nn.Sequential(K.Resize((48, 40))), crop(m)),
    "Kornia's inside": lambda m: K.ImageSequential(K.ImageSequential(K.Resize((48, 40))), crop(m)),
    "plain at the end": lambda m: K.ImageSequential(crop(m), nn.Sequential(K.Resize((48, 40)))),
    "crops of crops": lambda m: K.ImageSequential(K.CenterCrop(24), K.ImageSequential(crop(m))),
    "both plain": lambda m: K.ImageSequential(nn.Sequential(K.Resize((48, 40)), crop(m))),
    "plain that keeps it": lambda m: K.ImageSequential(
        nn.Sequential(K.RandomHorizontalFlip()), crop(m)
    ),
}


@pytest.mark.parametrize("mode", ["slice", "resample"])
@pytest.mark.parametrize("case", CURED)
def test_sizes_that_are_seen_give_the_right_box(
    case: str, mode: str, ramps: Images, misplaced: Misplaced
) -> None:
    recorder = KorniaRecorder(CURED[case](mode))
    for _ in range(4):
        view, record = recorder(ramps(4, 32, 30))
        assert misplaced(view, record).max() < 0.06


class Rescaled(nn.Module):
    """Somebody's own module without randomness."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return functional.interpolate(images, scale_factor=self.factor)


@pytest.mark.parametrize("wrap", WRAPS)
def test_an_ignored_module_is_watched_while_it_runs(wrap: str, ramps: Images) -> None:
    module = Rescaled(2.0)
    recorder = KorniaRecorder(WRAPS[wrap](module, crop()), ignore=[module])
    with pytest.raises(
        PipelineError,
        match=r"'Rescaled' inside .* to keep the image's size, found that it changes it",
    ):
        recorder(ramps(2, 32, 32))
    assert not module._forward_hooks
    module.factor = 1.0
    recorder(ramps(2, 32, 32))
    # Nothing is drawn by size after it, or nobody drew beforehand.
    KorniaRecorder(K.ImageSequential(crop(), Rescaled(0.5)), ignore=[Rescaled])(ramps(2, 32, 32))
    KorniaRecorder(nn.Sequential(Rescaled(0.5), crop()), ignore=[Rescaled])(ramps(2, 32, 32))


def test_an_ignored_augmentation_of_kornias_is_followed(ramps: Images) -> None:
    noise = K.RandomGaussianNoise(p=1.0)
    recorder = KorniaRecorder(K.ImageSequential(noise, crop()), ignore=[noise])
    assert recorder._doubtful == []
    recorder(ramps(2, 32, 32))


LARGE: dict[str, dict[str, Any]] = {
    "needed": {"size": (40, 50), "pad_if_needed": True},
    "needed, one side": {"size": (40, 20), "pad_if_needed": True},
    "padded": {"size": (28, 28), "padding": 30},
    "padded apart": {"size": (40, 30), "padding": (3, 9, 20, 12)},
    "both": {"size": (60, 60), "padding": (1, 2, 3, 4), "pad_if_needed": True},
    "reflected": {"size": (30, 30), "padding": 6, "padding_mode": "constant", "fill": 0.5},
}


@pytest.mark.parametrize("mode", ["slice", "resample"])
@pytest.mark.parametrize("case", LARGE)
def test_crops_larger_than_the_image_have_their_true_box(
    case: str, mode: str, ramps: Images, misplaced: Misplaced
) -> None:
    step = K.RandomCrop(**LARGE[case], cropping_mode=mode)
    recorder = KorniaRecorder(K.AugmentationSequential(K.RandomHorizontalFlip(), step))
    if STRETCHES and mode == "resample" and not LARGE[case].get("pad_if_needed"):
        with pytest.raises(PipelineError, match=r"expected a size within the image, \(28, 24\)"):
            recorder(ramps(4, 28, 24))
        return
    seen = 0
    for _ in range(12):
        view, record = recorder(ramps(4, 28, 24))
        shown = (view[:, 2:] > 0.999).flatten(1).any(dim=1)
        if shown.all():  # a crop of padding alone shows nothing to compare
            assert misplaced(view, record).max() < 0.02
            seen += 1
    assert seen > 0


@pytest.mark.parametrize("size", [(18, 18), (18, 8), (8, 18)])
@pytest.mark.parametrize("wrap", [lambda m: m, K.ImageSequential])
def test_a_resampled_crop_larger_than_its_canvas_is_refused(
    size: tuple[int, int], wrap: Build, ramps: Images
) -> None:
    recorder = KorniaRecorder(wrap(K.RandomCrop(size, cropping_mode="resample")))
    with pytest.raises(PipelineError, match=r"'RandomCrop' with cropping_mode='resample'.*slice"):
        recorder(ramps(2, 10, 10))
    recorder(ramps(2, 18, 18))
    if not STRETCHES:
        padded = K.RandomCrop(size, padding=4, cropping_mode="resample")
        KorniaRecorder(wrap(padded))(ramps(2, 10, 10))


def test_a_sliced_crop_larger_than_its_canvas_shows_all_of_it(
    ramps: Images, misplaced: Misplaced
) -> None:
    view, record = KorniaRecorder(K.RandomCrop((17, 17)))(ramps(2, 15, 28))
    assert misplaced(view, record).max() < 0.05
    assert torch.equal(record["crop"][:, [0, 2]], torch.tensor([[0.0, 1.0]] * 2))
