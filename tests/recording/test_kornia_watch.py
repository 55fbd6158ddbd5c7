"""A pipeline that changes after its recorder was made: followed, or said."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import BlurEncoder, ColorJiggleEncoder, GammaEncoder, PipelineError
from augself_loss.recording.kornia import KorniaRecorder

Images = Callable[..., Tensor]


def flip(p: float = 1.0) -> nn.Module:
    return K.RandomHorizontalFlip(p=p)


def exchange(pipeline: Any) -> None:
    pipeline[0] = flip(0.0)


def exchange_inside(pipeline: Any) -> None:
    next(iter(pipeline.children()))._modules["0"] = K.RandomInvert(p=1.0)


def remove(pipeline: Any) -> None:
    del pipeline[0]


def reorder(pipeline: Any) -> None:
    name = next(iter(pipeline._modules))
    pipeline._modules[name] = pipeline._modules.pop(name)


def draw(pipeline: Any) -> None:
    pipeline.random_apply = (1, 2)


def patch(pipeline: Any) -> None:
    pipeline.forward = lambda x: x


CHILDREN: dict[str, Callable[[Any], None]] = {
    "appended": lambda p: p.append(K.RandomVerticalFlip(p=1.0)),
    "reordered": reorder,
    "exchanged": exchange,
    "removed": remove,
    "patched": patch,
}


@pytest.mark.parametrize("wrap", [nn.Sequential, K.ImageSequential, K.AugmentationSequential])
@pytest.mark.parametrize("how", CHILDREN)
def test_other_children_are_said(how: str, wrap: Callable[..., Any], smooth: Images) -> None:
    pipeline = wrap(flip(), K.RandomInvert(p=0.5))
    recorder, images = KorniaRecorder(pipeline), smooth(2, 8, 8)
    _, record = recorder(images)
    CHILDREN[how](pipeline)
    for call in (lambda: recorder(images), lambda: recorder.replay(images, record)):
        with pytest.raises(PipelineError, match=r"to stay as it was.*new recorder"):
            call()


def test_other_children_deep_inside_are_said(smooth: Images) -> None:
    pipeline = K.ImageSequential(nn.Sequential(flip()), K.RandomInvert())
    recorder = KorniaRecorder(pipeline)
    exchange_inside(pipeline)
    with pytest.raises(PipelineError, match=r"'Sequential' to stay .* other children"):
        recorder(smooth(2, 8, 8))


def test_another_pipeline_is_said(smooth: Images) -> None:
    recorder = KorniaRecorder(nn.Sequential(flip()))
    recorder.pipeline = nn.Sequential(flip())
    with pytest.raises(PipelineError, match="it is another pipeline"):
        recorder(smooth(2, 8, 8))


def test_another_choice_of_children_is_said(smooth: Images) -> None:
    images = smooth(2, 8, 8)
    pipeline = K.ImageSequential(flip(), K.RandomInvert())
    recorder = KorniaRecorder(pipeline)
    draw(pipeline)
    with pytest.raises(PipelineError, match="its random_apply, or"):
        recorder(images)
    pipeline = K.ImageSequential(flip(), K.RandomInvert(), random_apply=2)
    recorder = KorniaRecorder(pipeline)
    recorder(images)
    pipeline.random_apply_weights[0] = 0.5
    with pytest.raises(PipelineError, match="the weights of it, changed"):
        recorder(images)


def test_probabilities_are_followed(smooth: Images) -> None:
    step, images = flip(0.0), smooth(4, 8, 8)
    recorder = KorniaRecorder(K.ImageSequential(step))
    for p in (1.0, 0.0, 0.5):
        step.p = p
        view, record = recorder(images)
        gate = record["flip"].view(-1, 1, 1, 1) == 1
        assert torch.equal(view, torch.where(gate, images.flip(-1), images))


def test_a_fixed_step_made_random_is_said(smooth: Images) -> None:
    step = K.Normalize(torch.full((3,), 0.5), torch.full((3,), 0.2))
    recorder = KorniaRecorder(nn.Sequential(flip(), step))
    recorder(smooth(2, 8, 8))
    step.p_batch = 0.5
    with pytest.raises(PipelineError, match=r"'Normalize' to stay .* at random, p=0.5"):
        recorder(smooth(2, 8, 8))


def ranged(step: Any, name: str, low: float, high: float) -> None:
    """Give a step another sampling range, as its own constructor makes it."""
    generator = step._param_generator
    sampler = torch.distributions.Uniform(low, high, validate_args=False)
    if name in getattr(generator, "sampler_dict", {}):
        generator.sampler_dict[name] = sampler
    else:
        setattr(generator, f"{name}_sampler", sampler)


STEPS: dict[str, tuple[Callable[[], Any], str, tuple[float, float], tuple[float, float]]] = {
    "jitter": (lambda: K.ColorJitter(0.4, p=1.0), "brightness", (0.8, 1.2), (0.2, 1.2)),
    "blur": (
        lambda: K.RandomGaussianBlur((3, 3), (0.5, 2.0), p=1.0), "sigma", (1.0, 2.0), (0.5, 4.0)
    ),
    "angle": (lambda: K.RandomRotation(30.0, p=1.0), "degrees", (-10.0, 30.0), (-10.0, 40.0)),
    "affine": (lambda: K.RandomAffine(30.0, p=1.0), "degree", (0.0, 30.0), (-40.0, 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_narrower_ranges_are_followed_and_wider_ones_are_said(name: str, smooth: Images) -> None:
    build, key, narrower, wider = STEPS[name]
    step, images = build(), smooth(8, 8, 8)
    recorder = KorniaRecorder(K.ImageSequential(step))
    recorder(images)
    ranged(step, key, *narrower)
    for _ in range(3):
        _, record = recorder(images)
        for encoder in recorder.encoders:
            encoder.check(record)
    ranged(step, key, *wider)
    with pytest.raises(PipelineError, match=r"its range of .*new recorder.*encoders=\["):
        recorder(images)


def test_a_range_written_in_place_is_seen(smooth: Images) -> None:
    step, images = K.RandomGaussianBlur((3, 3), (0.5, 2.0), p=1.0), smooth(2, 8, 8)
    recorder = KorniaRecorder(step)
    sampler = step._param_generator.sigma_sampler
    sampler.high = sampler.high.clone()
    recorder(images)
    sampler.high.fill_(3.0)
    with pytest.raises(PipelineError, match="its range of sigma is now"):
        recorder(images)


def test_a_step_that_did_nothing_and_now_does_is_said(smooth: Images) -> None:
    step, images = K.RandomBrightness((1.0, 1.0), p=1.0), smooth(2, 8, 8)
    recorder = KorniaRecorder(K.ImageSequential(flip(), step))
    assert list(recorder.layout) == ["flip"]
    recorder(images)
    ranged(step, "brightness_factor", 0.5, 1.5)
    with pytest.raises(PipelineError, match=r"'RandomBrightness' .* now changes views"):
        recorder(images)


def test_a_step_that_becomes_another_type_is_said(smooth: Images) -> None:
    step = K.RandomRotation(90.0, p=1.0)
    recorder = KorniaRecorder(step)
    ranged(step, "degrees", 90.0, 90.0)
    with pytest.raises(PipelineError, match="its type is now 'rotation'"):
        recorder(smooth(2, 8, 8))


def test_settings_are_followed(smooth: Images) -> None:
    """What a record is read by is what the step is now, not what it was."""
    step = K.RandomErasing(value=0.2, p=1.0)
    recorder, images = KorniaRecorder(step), smooth(2, 8, 8)
    recorder(images)
    step._param_generator.value = 0.7
    view, record = recorder(images)
    assert (view == 0.7).any()
    assert torch.equal(recorder.replay(images, record), view)


LEARNABLE: dict[str, tuple[Callable[[nn.Parameter], nn.Module], Any]] = {
    "gamma": (lambda r: K.RandomGamma(r, p=1.0), GammaEncoder((0.1, 3.0))),
    "brightness": (
        lambda r: K.RandomBrightness(r, p=1.0),
        ColorJiggleEncoder((0.0, 2.0), None, None, None),
    ),
}


@pytest.mark.parametrize("name", LEARNABLE)
def test_a_learnable_range_that_left_the_encoders_is_said(name: str, smooth: Images) -> None:
    build, widest = LEARNABLE[name]
    limits = nn.Parameter(torch.tensor([0.8, 1.2]))
    images = smooth(8, 8, 8)
    step = build(limits)
    recorder, wide = KorniaRecorder(step), KorniaRecorder(step, encoders=[widest])
    recorder(images)
    with torch.no_grad():
        limits.copy_(torch.tensor([0.5, 1.7]))
    step._param_generator.make_samplers(torch.device("cpu"), torch.float32)
    with pytest.raises(PipelineError, match=r"is now .*0.5, 1.7.* the widest range"):
        recorder(images)
    (encoder,) = wide.encoders
    for _ in range(3):
        _, record = wide(images)
        encoder.check(record)


@pytest.mark.parametrize("build", [lambda r: K.RandomGamma(r, p=1.0)])
def test_what_a_learnable_range_draws_is_never_outside_in_silence(
    build: Callable[[nn.Parameter], nn.Module], smooth: Images
) -> None:
    """Some of Kornia's steps draw from the parameter itself, others from a copy."""
    limits = nn.Parameter(torch.tensor([0.8, 1.2]))
    recorder = KorniaRecorder(build(limits))
    with torch.no_grad():
        limits.copy_(torch.tensor([0.2, 4.0]))
    try:
        _, record = recorder(smooth(64, 8, 8))
    except PipelineError:
        return
    for encoder in recorder.encoders:
        encoder.check(record)


def test_moving_a_pipeline_is_no_change(smooth: Images) -> None:
    blur = K.RandomGaussianBlur((3, 3), (0.5, 2.0))
    pipeline = K.AugmentationSequential(flip(), blur, K.ColorJitter(0.4, 0.4, 0.4, 0.1))
    recorder, images = KorniaRecorder(pipeline, encoders=[BlurEncoder((0.5, 2.0))]), smooth(2, 8, 8)
    recorder(images)
    pipeline.double()
    recorder(images.double())
    pipeline.float().eval().train()
    recorder(images)
    blur.set_rng_device_and_dtype(torch.device("cpu"), torch.float64)
    recorder(images)
    copy.deepcopy(recorder)(images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ColorJitter", (0.4, 0.4, 0.4, 0.1)),
        ("RandomGaussianBlur", ((3, 3), (0.1, 2.0))),
        ("RandomSolarize", ()),
        ("RandomRotation", (30.0,)),
        ("RandomResizedCrop", ((8, 8),)),
    ],
)
def test_a_pipeline_in_half_precision_draws_what_its_encoders_take(
    name: str, settings: Any, dtype: torch.dtype, smooth: Images
) -> None:
    """The ends of its ranges are rounded, outward too: hue's to 0.1001."""
    pipeline = nn.Sequential(getattr(K, name)(*settings))
    recorder, images = KorniaRecorder(pipeline), smooth(16, 12, 12)
    pipeline.to(dtype)  # as a trainer's true half precision does
    for _ in range(8):
        _, record = recorder(images)
        for encoder in recorder.encoders:
            encoder.check(record)


def test_a_change_that_is_refused_is_refused_again_until_it_is_undone(smooth: Images) -> None:
    pipeline, images = nn.Sequential(flip()), smooth(2, 8, 8)
    recorder = KorniaRecorder(pipeline)
    pipeline.append(flip())
    for _ in range(2):
        with pytest.raises(PipelineError, match="other children"):
            recorder(images)
    del pipeline[1]
    recorder(images)
