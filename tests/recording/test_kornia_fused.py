"""Views in their fused form: Kornia's draws and records, and its views but for rounding."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.multiview import MultiViewRecorder

pytestmark = pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 is not fused")

Images: TypeAlias = Callable[..., Tensor]
SIZES = [(32, 32), (70, 57)]
"""Below and above where a product with a matrix is faster."""


def simclr(size: tuple[int, int] = (32, 32)) -> list[nn.Module]:
    kernel = min(size) // 20 * 2 + 1
    return [
        K.RandomResizedCrop(size, scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5),
        K.RandomSolarize(0.1, 0.1, p=0.2),
        K.Normalize(torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])),
    ]


def both(
    build: Callable[[], nn.Module], images: Tensor, seed: int = 0, **options: Any
) -> tuple[Tensor, Tensor]:
    """Kornia's views and the fused ones; records and random state are compared already."""
    outcomes = []
    for apply in ("kornia", "fused"):
        recorder = KorniaRecorder(build(), apply=apply, **options)
        torch.manual_seed(seed)
        views, record = recorder(images)
        outcomes.append((views, record, torch.get_rng_state()))
    (kornia, one, state), (fused, two, same) = outcomes
    assert torch.equal(state, same)
    assert_equal_records(one, two)
    assert fused.shape == kornia.shape
    assert fused.dtype == kornia.dtype
    return kornia, fused


def assert_equal_records(one: Record, two: Record) -> None:
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def assert_close(kornia: Tensor, fused: Tensor, *, crossings: float = 0.0) -> None:
    """Within 1e-5; but for a share of values that solarize throws to the other side."""
    far = (kornia - fused).abs() > 1e-5
    assert far.float().mean() <= crossings


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("container", [K.AugmentationSequential, K.ImageSequential, nn.Sequential])
def test_a_pipeline_of_forms_agrees_with_kornia(
    container: Any, size: tuple[int, int], smooth: Images
) -> None:
    images = smooth(16, 61, 75)
    for seed in range(4):
        kornia, fused = both(lambda: container(*simclr(size)), images, seed)
        assert_close(kornia, fused, crossings=1e-4)


FORMS: dict[str, Callable[[], nn.Module]] = {
    "crop": lambda: K.RandomResizedCrop((20, 30), (0.1, 1.0)),
    "crop of unaligned corners": lambda: K.RandomResizedCrop((20, 31), align_corners=False),
    "large crop": lambda: K.RandomResizedCrop((64, 50), (0.1, 1.0)),
    "large crop of unaligned corners": lambda: K.RandomResizedCrop((50, 64), align_corners=False),
    "crop to one row": lambda: K.RandomResizedCrop((1, 30), (0.1, 1.0)),
    "crop of a few pixels": lambda: K.RandomResizedCrop((30, 30), (1e-3, 5e-3)),
    "same crop": lambda: K.RandomResizedCrop((20, 20), same_on_batch=True),
    "crop, flipped": lambda: nn.Sequential(
        K.RandomResizedCrop((20, 20)), K.RandomVerticalFlip(), K.RandomHorizontalFlip()
    ),
    "crop, flipped twice": lambda: nn.Sequential(
        K.RandomResizedCrop((20, 20)), K.RandomHorizontalFlip(p=1.0), K.RandomHorizontalFlip()
    ),
    "large crop, flipped": lambda: nn.Sequential(
        K.RandomResizedCrop((60, 60)), K.RandomHorizontalFlip(), K.RandomVerticalFlip()
    ),
    "middle": lambda: K.CenterCrop((20, 30)),
    "resize": lambda: K.Resize((20, 30)),
    "resize bicubic": lambda: K.Resize((64, 60), resample="bicubic", align_corners=False),
    "resize to itself": lambda: nn.Sequential(K.Resize((41, 47)), K.RandomGrayscale(p=1.0)),
    "flip": lambda: K.RandomHorizontalFlip(p=0.5),
    "flip always": lambda: K.RandomHorizontalFlip(p=1.0),
    "vertical flip": lambda: K.RandomVerticalFlip(p=0.5),
    "flip of the batch": lambda: K.RandomVerticalFlip(p=0.5, same_on_batch=True),
    "jitter": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    "wide jitter": lambda: K.ColorJitter(0.9, 0.9, 0.9, 0.5, p=1.0),
    "jitter of brightness": lambda: K.ColorJitter(0.4, p=0.5),
    "jitter of hue": lambda: K.ColorJitter(0.0, 0.0, 0.0, 0.3, p=0.5),
    "jitter in order": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8, order=(3, 1, 0)),
    "jitter of the batch": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, same_on_batch=True),
    "grayscale": lambda: K.RandomGrayscale(p=0.5),
    "blur": lambda: K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
    "wide blur": lambda: K.RandomGaussianBlur((23, 23), (0.1, 2.0), p=0.5),
    "oblong blur": lambda: K.RandomGaussianBlur((3, 7), (0.1, 2.0), p=0.5),
    "faint blur": lambda: K.RandomGaussianBlur(5, (1e-3, 1e-2), p=0.5),
    "blur of the batch": lambda: K.RandomGaussianBlur(5, (0.1, 2.0), same_on_batch=True, p=1.0),
    "solarize": lambda: K.RandomSolarize(0.3, 0.2, p=0.5),
    "solarize only": lambda: K.RandomSolarize((0.4, 0.6), 0.0, p=1.0),
    "normalize": lambda: K.Normalize(0.5, 0.25),
}


@pytest.mark.parametrize("side", [(41, 47), (100, 90)])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_agrees_with_kornia(name: str, side: tuple[int, int], smooth: Images) -> None:
    for seed in range(3):
        kornia, fused = both(FORMS[name], smooth(7, *side), seed)
        assert_close(kornia, fused)


@pytest.mark.parametrize("name", FORMS)
def test_a_batch_of_one_does_too(name: str, smooth: Images) -> None:
    for seed in range(3):
        assert_close(*both(FORMS[name], smooth(1, 41, 47), seed))


@pytest.mark.parametrize("name", FORMS)
def test_images_are_never_written_into(name: str, smooth: Images) -> None:
    images = smooth(5, 41, 47)
    before = images.clone()
    views, _ = KorniaRecorder(FORMS[name](), apply="fused")(images)
    views.add_(1.0)
    assert torch.equal(images, before)


def test_turns_are_exact_where_kornia_rounds(smooth: Images) -> None:
    images = smooth(8, 40, 40)
    recorder = KorniaRecorder(K.RandomRotation90((-3, 3), p=0.8), apply="fused")
    views, _ = recorder(images)
    quarters = recorder.pipeline._params["times"]
    for image, view, quarter in zip(images, views, quarters, strict=True):
        turned = image.rot90(int(quarter.round()), (-2, -1))
        assert torch.equal(view, turned) or torch.equal(view, image)
    kornia, fused = both(lambda: K.RandomRotation90((-3, 3), p=0.8), images)
    assert (kornia - fused).abs().max() < 3e-5


def test_colours_at_the_corners_of_the_cube() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)
    images = corners.T.reshape(1, 3, 3, 9).repeat(16, 1, 1, 1)
    for seed in range(8):
        kornia, fused = both(FORMS["wide jitter"], images, seed)
        assert_close(kornia, fused)


KORNIAS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "another class": (lambda: K.RandomPosterize(3, p=0.5), "this class has no fused form"),
    "resampling crop": (
        lambda: K.RandomResizedCrop((20, 20), cropping_mode="resample"), "cropping_mode"),
    "nearest crop": (
        lambda: K.RandomResizedCrop((20, 20), resample="nearest"), "interpolation"),
    "crop of resampling": (lambda: K.CenterCrop(20, cropping_mode="resample"), "cropping_mode"),
    "resize of one side": (lambda: K.Resize(20), "one side"),
    "antialiased": (lambda: K.Resize((20, 20), antialias=True), "interpolation"),
    "nearest": (lambda: K.Resize((20, 20), resample="nearest"), "interpolation"),
    "weighted grey": (
        lambda: K.RandomGrayscale(rgb_weights=torch.tensor([0.2, 0.3, 0.5]), p=0.5), "weights"),
    "border": (
        lambda: K.RandomGaussianBlur(3, (0.1, 2.0), border_type="constant", p=0.5), "border"),
    "whole kernel": (
        lambda: K.RandomGaussianBlur(3, (0.1, 2.0), separable=False, p=0.5), "separable"),
}  # fmt: skip


@pytest.mark.parametrize("name", KORNIAS)
def test_what_has_no_form_is_kornias_own(name: str, smooth: Images) -> None:
    build, why = KORNIAS[name]
    images = smooth(6, 41, 47)
    for seed in range(2):
        kornia, fused = both(build, images, seed)
        assert torch.equal(kornia, fused)
    (told,) = KorniaRecorder(build(), apply="fused").fused.values()
    assert told.startswith("Kornia's own: ")
    assert why in told


class Grey(K.RandomGrayscale):
    """A user's own: it may do otherwise than Kornia's."""


def test_a_subclass_is_kornias_own() -> None:
    recorder = KorniaRecorder(Grey(p=0.5), ignore=[Grey], apply="fused")
    assert recorder.fused == {"Grey": "Kornia's own: this class has no fused form"}


def test_kornias_own_stand_between_forms(smooth: Images) -> None:
    def build() -> nn.Module:
        return K.AugmentationSequential(
            K.RandomResizedCrop((24, 24)), K.RandomHorizontalFlip(),
            K.RandomPosterize(3, p=0.5), K.ColorJitter(0.4, 0.4, 0.4, 0.1),
            nn.Identity(), K.RandomGrayscale(p=0.5),
        )  # fmt: skip

    for seed in range(4):
        # Posterize throws values to the next step where they round.
        kornia, fused = both(build, smooth(8, 40, 40), seed)
        assert_close(kornia, fused, crossings=1e-3)
    told = KorniaRecorder(build(), apply="fused").fused
    assert [how.partition(":")[0] for how in told.values()] == [
        "fused", "fused", "Kornia's own", "fused", "Kornia's own", "fused",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [
        lambda: K.ImageSequential(*simclr()[1:5], random_apply=(1, 3)),
        lambda: K.AugmentationSequential(
            K.ImageSequential(*simclr()[:2]), nn.Sequential(*simclr()[2:4]), simclr()[4],
            random_apply=True,
        ),
        lambda: nn.Sequential(K.ImageSequential(*simclr()[:3]), *simclr()[3:]),
        lambda: K.AugmentationSequential(*simclr()[:4], same_on_batch=True),
    ],
)  # fmt: skip
def test_containers_of_all_kinds(build: Any, smooth: Images) -> None:
    for seed in range(5):
        kornia, fused = both(build, smooth(6, 32, 32), seed)
        assert_close(kornia, fused, crossings=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_kornias_own(dtype: torch.dtype, smooth: Images) -> None:
    kornia, fused = both(lambda: nn.Sequential(*simclr()[:4]), smooth(4, 40, 40).to(dtype))
    assert torch.equal(kornia, fused)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_draws_of_another_dtype_are_kornias_own(dtype: torch.dtype, smooth: Images) -> None:
    """Colours and blur failed: expected dtype float for `weight` but got dtype double."""

    def build() -> nn.Module:
        return K.AugmentationSequential(*simclr()[:6]).to(dtype)

    assert_close(*both(build, smooth(8, 40, 40)))


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels(channels: int) -> None:
    def build() -> nn.Module:
        steps = [simclr()[0], simclr()[1], K.ColorJitter(0.4, 0.4, p=0.8), simclr()[4]]
        return K.AugmentationSequential(*steps)

    kornia, fused = both(build, torch.rand(6, channels, 40, 40))
    assert_close(kornia, fused)


def test_channels_last(smooth: Images) -> None:
    images = smooth(8, 70, 70).to(memory_format=torch.channels_last)
    for steps in (simclr((64, 64)), simclr((64, 64))[1:]):
        kornia, fused = both(lambda: K.AugmentationSequential(*copy.deepcopy(steps)), images)  # noqa: B023
        assert_close(kornia, fused, crossings=1e-4)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_grey_images_of_one_plane_repeated(first: int, smooth: Images) -> None:
    images = smooth(8, 32, 32)[:, :1].expand(-1, 3, -1, -1)
    kornia, fused = both(lambda: K.AugmentationSequential(*simclr()[first:]), images)
    assert_close(kornia, fused, crossings=1e-3)


def test_inference_mode(smooth: Images) -> None:
    with torch.inference_mode():
        kornia, fused = both(lambda: K.AugmentationSequential(*simclr()), smooth(8, 40, 40))
    assert_close(kornia, fused, crossings=1e-3)


def test_images_that_learn_are_kornias_own(smooth: Images) -> None:
    images = smooth(4, 40, 40).requires_grad_()
    views, _ = KorniaRecorder(nn.Sequential(*simclr()[:4]), apply="fused")(images)
    views.sum().backward()
    assert images.grad is not None
    with torch.no_grad():
        views, _ = KorniaRecorder(nn.Sequential(*simclr()[:4]), apply="fused")(images)
    assert not views.requires_grad


def test_ranges_that_learn_are_kornias_own(smooth: Images) -> None:
    strength = nn.Parameter(torch.tensor([0.8, 1.2]))
    jitter = K.ColorJitter(brightness=strength)  # type: ignore[arg-type]
    views, _ = KorniaRecorder(jitter, apply="fused")(smooth(4, 20, 20))
    assert views.requires_grad


def test_autocast_changes_nothing(smooth: Images) -> None:
    images = smooth(8, 40, 40)
    recorder = KorniaRecorder(nn.Sequential(*simclr()), apply="fused")
    torch.manual_seed(0)
    views, _ = recorder(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(0)
        same, _ = recorder(images)
    assert torch.equal(views, same)


def test_products_in_less_precision_are_not_used(smooth: Images) -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert_close(*both(lambda: nn.Sequential(*simclr()[:5]), smooth(8, 40, 40)))
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("container", [K.AugmentationSequential, nn.Sequential])
def test_a_record_is_replayed_bit_for_bit(container: Any, smooth: Images) -> None:
    recorder = KorniaRecorder(container(*simclr()[:6]), apply="fused")
    images = smooth(8, 40, 44)
    views, record = recorder(images)
    assert torch.equal(recorder.replay(images, record), views)
    other, theirs = recorder(images)
    mixed = recorder.replay(images, {**record, "crop": theirs["crop"], "flip": theirs["flip"]})
    kornia = KorniaRecorder(recorder.pipeline)
    assert_close(
        kornia.replay(images, {**record, "crop": theirs["crop"], "flip": theirs["flip"]}), mixed,
        crossings=1e-3,
    )  # fmt: skip
    assert not torch.equal(mixed, other)


def test_many_views(smooth: Images) -> None:
    def recorder(apply: Any) -> MultiViewRecorder:
        return MultiViewRecorder(
            KorniaRecorder(K.AugmentationSequential(*simclr()), apply=apply), views=3
        )

    images = smooth(6, 40, 40)
    torch.manual_seed(1)
    *kornia, packed = recorder("kornia")(images)
    torch.manual_seed(1)
    *fused, same = recorder("fused")(images)
    assert torch.equal(packed, same)
    for one, two in zip(kornia, fused, strict=True):
        assert_close(one, two, crossings=1e-3)


def test_a_recorder_travels_to_workers(smooth: Images) -> None:
    recorder = KorniaRecorder(K.AugmentationSequential(*simclr()), apply="fused")
    recorder(smooth(4, 40, 40))
    twins = [pickle.loads(pickle.dumps(recorder)), copy.deepcopy(recorder)]
    outcomes = []
    for one in (recorder, *twins):
        torch.manual_seed(3)
        outcomes.append(one(smooth(4, 40, 40))[0])
    assert torch.equal(outcomes[0], outcomes[1])
    assert torch.equal(outcomes[0], outcomes[2])


def test_changes_of_a_pipeline_are_followed(smooth: Images) -> None:
    grey: Any = K.RandomGrayscale(p=0.5)
    recorder = KorniaRecorder(grey, apply="fused")
    recorder(smooth(4, 20, 20))
    grey.p = 1.0
    views, record = recorder(smooth(4, 20, 20))
    assert torch.equal(views[:, 0], views[:, 1])
    assert bool((record["grayscale"] == 1).all())


def test_kornias_parameters_are_kept(smooth: Images) -> None:
    pipeline = K.AugmentationSequential(*simclr())
    KorniaRecorder(pipeline, apply="fused")(smooth(4, 40, 40))
    assert [item.name for item in pipeline._params] == [n for n, _ in pipeline.named_children()]
    assert pipeline.transform_matrix is None
    for item, child in zip(pipeline._params, pipeline.children(), strict=True):
        assert child._params is item.data
