"""Replay: a record gives its view again, bit for bit, and on other images the same treatment."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import PipelineError, RecordError, identity_record
from augself_loss.recording.kornia import KorniaRecorder

Images: TypeAlias = Callable[..., Tensor]
Build: TypeAlias = Callable[[], nn.Module]

STEPS: dict[str, Build] = {
    "flip": lambda: K.RandomHorizontalFlip(p=0.5),
    "vertical": lambda: K.RandomVerticalFlip(p=0.5),
    "turn": lambda: K.RandomRotation90((-3, 3), p=0.6),
    "quarter": lambda: K.RandomRotation((90.0, 90.0), p=0.5),
    "crop": lambda: K.RandomResizedCrop((16, 16), (0.2, 1.0)),
    "resample": lambda: K.RandomResizedCrop((16, 16), (0.2, 1.0), cropping_mode="resample"),
    "jitter": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.6),
    "jiggle": lambda: K.ColorJiggle(0.4, 0.4, 0.4, 0.1, p=0.6),
    "brightness": lambda: K.RandomBrightness((0.5, 1.5), p=0.6),
    "contrast": lambda: K.RandomContrast((0.5, 1.5), p=0.6),
    "saturation": lambda: K.RandomSaturation((0.5, 1.5), p=0.6),
    "hue": lambda: K.RandomHue((-0.2, 0.2), p=0.6),
    "grayscale": lambda: K.RandomGrayscale(p=0.4),
    "blur": lambda: K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.6),
    "solarize": lambda: K.RandomSolarize((0.3, 0.8), (-0.1, 0.1), p=0.6),
    "gamma": lambda: K.RandomGamma((0.5, 1.5), (0.8, 1.2), p=0.6),
    "sharpness": lambda: K.RandomSharpness((0.0, 2.0), p=0.6),
    "posterize": lambda: K.RandomPosterize(3, p=0.6),
    "equalize": lambda: K.RandomEqualize(p=0.4),
    "invert": lambda: K.RandomInvert(p=0.4),
    "autocontrast": lambda: K.RandomAutoContrast(p=0.4),
    "erasing": lambda: K.RandomErasing(value=0.3, p=0.6),
    "angle": lambda: K.RandomRotation(25.0, p=0.6),
}
SIMCLR = ("crop", "flip", "jitter", "grayscale", "blur", "solarize")
ORDERS = [
    *itertools.permutations(("flip", "turn", "crop", "vertical")),
    *itertools.permutations(("flip", "quarter", "resample")),
    *itertools.permutations(("flip", "angle", "vertical")),
    *itertools.permutations(("flip", "erasing", "vertical")),
    ("turn", "angle", "flip"),
    SIMCLR,
    ("solarize", "flip", "jitter", "crop", "vertical", "blur", "erasing"),
    ("turn", "gamma", "flip", "sharpness", "posterize", "crop", "equalize", "jiggle", "invert"),
]


def build(names: tuple[str, ...]) -> list[nn.Module]:
    return [STEPS[name]() for name in names]


CONTAINERS: dict[str, Build] = {
    "AugmentationSequential": lambda: K.AugmentationSequential(*build(SIMCLR)),
    "ImageSequential": lambda: K.ImageSequential(*build(SIMCLR)),
    "nn.Sequential": lambda: nn.Sequential(*build(SIMCLR)),
    "same_on_batch": lambda: K.AugmentationSequential(
        *build((*SIMCLR, "erasing", "posterize")), same_on_batch=True
    ),
    "nested": lambda: K.AugmentationSequential(
        K.ImageSequential(*build(SIMCLR[:2])), K.AugmentationSequential(*build(SIMCLR[2:]))
    ),
    "nested in nn": lambda: nn.Sequential(
        nn.Sequential(*build(SIMCLR[:3])),
        K.ImageSequential(*build(SIMCLR[3:5])),
        *build(SIMCLR[5:]),
    ),
    "fixed steps": lambda: K.AugmentationSequential(
        *build(SIMCLR),
        K.Resize((9, 9)),
        K.Normalize(mean=torch.tensor([0.5] * 3), std=torch.tensor([0.2] * 3)),
    ),
}


def assert_replays(pipeline: nn.Module, images: Tensor, others: Tensor, seed: int) -> None:
    """Replay on the same images, and on others what the pipeline does under the same seed."""
    recorder = KorniaRecorder(pipeline)
    torch.manual_seed(seed)
    view, record = recorder(images)
    torch.manual_seed(seed)
    other = pipeline(others)
    state = torch.get_rng_state()
    assert torch.equal(recorder.replay(images, record), view)
    assert torch.equal(recorder.replay(others, record), other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("seed", range(4))
def test_containers_replay(name: str, seed: int, smooth: Images) -> None:
    images, others = smooth(5, 20, 24), smooth(5, 20, 24, seed=1)
    assert_replays(CONTAINERS[name](), images, others, seed)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("seed", range(4))
def test_single_steps_replay(name: str, seed: int, smooth: Images) -> None:
    width = 20 if name in {"turn", "quarter"} else 24
    images, others = smooth(6, 20, width), smooth(6, 20, width, seed=1)
    assert_replays(STEPS[name](), images, others, seed)


@pytest.mark.parametrize("names", ORDERS, ids="-".join)
@pytest.mark.parametrize("seed", range(2))
def test_orders_replay(names: tuple[str, ...], seed: int, smooth: Images) -> None:
    images, others = smooth(6, 20, 20), smooth(6, 20, 20, seed=1)
    assert_replays(K.AugmentationSequential(*build(names)), images, others, seed)


@pytest.mark.parametrize("name", sorted(STEPS.keys() - {"crop", "resample"}))
@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("batch", [1, 4])
def test_none_and_all_applied_replay(name: str, p: float, batch: int, smooth: Images) -> None:
    step = STEPS[name]()
    step.p = p
    images, others = smooth(batch, 16, 16), smooth(batch, 16, 16, seed=1)
    assert_replays(step, images, others, seed=3)


def test_steps_that_always_apply_replay_their_identity(smooth: Images) -> None:
    """A step with p=1 that drew the identity, or was told to do nothing by an edited record."""
    names = ("flip", "vertical", "jitter", "blur", "posterize", "turn", "invert")
    steps = build(names)
    for step in steps:
        step.p = 1.0
    recorder = KorniaRecorder(nn.Sequential(*steps))
    images = smooth(6, 16, 16)
    _, record = recorder(images)
    nothing = identity_record(recorder.layout, 6)
    assert torch.equal(recorder.replay(images, nothing), images)
    half = {k: torch.cat([v[:3], nothing[k][3:]]) for k, v in record.items()}
    replayed = recorder.replay(images, half)
    assert torch.equal(replayed[3:], images[3:])
    assert not any(torch.equal(a, b) for a, b in zip(replayed[:3], images, strict=False))
    assert [step.p for step in steps] == [1.0] * len(steps)


@pytest.mark.parametrize("exchanged", ["color", "crop", "flip", "blur"])
def test_half_exchanged_records_replay(exchanged: str, smooth: Images) -> None:
    """Leave-one-out views: one type's entries come from another draw, all others stay."""
    names = ("crop", "flip", "jitter", "blur")
    recorder = KorniaRecorder(K.AugmentationSequential(*build(names)))
    images = smooth(8, 20, 24)
    (_, first), (_, second) = recorder(images), recorder(images)
    mixed = {**first, **{k: v for k, v in second.items() if k.split("_")[0] == exchanged}}
    expected = images
    for name in names:  # step by step, each with the record that it was exchanged for
        alone = KorniaRecorder(STEPS[name](), types=["flip"])
        # The crop comes before the flip here, so it is in the source's frame for itself too.
        flip = {} if name == "flip" else {"flip": torch.zeros(8, 1)}
        expected = alone.replay(expected, {**mixed, **flip})
    assert torch.equal(recorder.replay(images, mixed), expected)
    _, again = recorder(images)
    assert not torch.equal(recorder.replay(images, {**mixed, **again}), expected)


def test_rows_of_several_draws_hold_several_orders(smooth: Images) -> None:
    step = STEPS["jitter"]()
    step.p = 1.0
    recorder = KorniaRecorder(step)
    images = smooth(4, 8, 8)
    torch.manual_seed(0)
    records = [recorder(images)[1] for _ in range(6)]
    different = next(
        r for r in records if not torch.equal(r["color_order"], records[0]["color_order"])
    )
    mixed = {k: torch.cat([v[:2], different[k][2:]]) for k, v in records[0].items()}
    with pytest.raises(RecordError, match="the same order"):
        recorder.replay(images, mixed)


REFUSED: dict[str, tuple[Build, str]] = {
    "random_apply": (
        lambda: K.ImageSequential(*build(("flip", "blur")), random_apply=1),
        "random_apply cannot be replayed",
    ),
    "nested random_apply": (
        lambda: K.AugmentationSequential(
            K.ImageSequential(*build(("flip", "blur")), random_apply=True)
        ),
        "random_apply cannot be replayed",
    ),
    "affine": (lambda: K.RandomAffine(10.0), "'RandomAffine' cannot be replayed"),
    "perspective": (K.RandomPerspective, "'RandomPerspective' cannot be replayed"),
    "padded crop": (lambda: K.RandomCrop((8, 8), padding=1), "'RandomCrop' cannot be replayed"),
    "crop with p": (
        lambda: K.RandomResizedCrop((8, 8), p=0.999),
        "to be applied always, found p=0.999",
    ),
    "two flips": (lambda: nn.Sequential(*build(("flip", "crop", "flip"))), "found several of"),
    "two factors": (lambda: nn.Sequential(*build(("hue", "contrast"))), "found several of"),
    "nn.Sequential inside": (
        lambda: K.ImageSequential(nn.Sequential(*build(("flip",)))),
        "Replace it by a kornia.augmentation.ImageSequential",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_record_does_not_tell_is_refused(case: str, smooth: Images) -> None:
    pipeline, message = REFUSED[case][0](), REFUSED[case][1]
    recorder = KorniaRecorder(pipeline)
    images = smooth(3, 16, 16)
    _, record = recorder(images)
    with pytest.raises(PipelineError, match=message):
        recorder.replay(images, record)
    recorder(images)  # it still records


def test_records_that_do_not_fit_are_refused(smooth: Images) -> None:
    recorder = KorniaRecorder(K.AugmentationSequential(*build(SIMCLR)))
    images = smooth(4, 20, 20)
    _, record = recorder(images)
    less = {name: entry for name, entry in record.items() if name != "blur"}
    with pytest.raises(RecordError, match="expected the entry 'blur'"):
        recorder.replay(images, less)
    for count in (3, 1, 8):
        with pytest.raises(RecordError, match=f"found {count} images and 4 samples"):
            recorder.replay(images[:1].repeat(count, 1, 1, 1), record)


def test_ignored_steps_are_drawn_anew(smooth: Images) -> None:
    noise = K.RandomGaussianNoise(p=1.0)
    recorder = KorniaRecorder(nn.Sequential(*build(("flip", "crop")), noise), ignore=[noise])
    images = smooth(4, 20, 20)
    view, record = recorder(images)
    replayed = recorder.replay(images, record)
    assert not torch.equal(replayed, view)
    assert (replayed - view).abs().mean() < 2
