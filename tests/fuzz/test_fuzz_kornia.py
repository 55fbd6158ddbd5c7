"""Any Kornia pipeline on any batch: the pipeline's own views, with a record that fits them."""

from __future__ import annotations

import random
import warnings
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from garbage import hostile_tensors, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from augself_loss import AugSelfError
from augself_loss.recording.kornia import KorniaRecorder

SIDE = 9
probabilities = st.sampled_from([0.0, 0.5, 1.0])
strengths = st.sampled_from([0.0, 0.3, 0.8, (0.5, 1.5), (1.2, 1.4)])
hues = st.sampled_from([0.0, 0.1, (-0.2, 0.3)])
leaves = st.one_of(
    st.builds(K.RandomHorizontalFlip, p=probabilities),
    st.builds(K.RandomVerticalFlip, p=probabilities),
    st.builds(K.RandomGrayscale, p=probabilities),
    st.builds(K.RandomInvert, p=probabilities),
    st.builds(K.RandomEqualize, p=probabilities),
    st.builds(K.RandomPosterize, st.sampled_from([3, (1, 8)]), p=probabilities),
    st.builds(K.RandomSolarize, st.sampled_from([0.1, (0.0, 1.0)]), st.sampled_from([0.1, 0.0]),
              p=probabilities),
    st.builds(K.RandomSharpness, st.sampled_from([0.5, (0.1, 2.0)]), p=probabilities),
    st.builds(K.RandomGamma, st.sampled_from([(0.5, 1.5), (1.0, 1.0)]), p=probabilities),
    st.builds(K.ColorJitter, strengths, strengths, strengths, hues, p=probabilities),
    st.builds(K.ColorJiggle, strengths, strengths, strengths, hues, p=probabilities),
    st.builds(K.RandomGaussianBlur, st.sampled_from([(3, 3), (5, 3)]),
              st.sampled_from([(0.1, 2.0), (1.0, 1.0)]), p=probabilities),
    st.builds(K.RandomResizedCrop, st.sampled_from([(SIDE, SIDE), (4, 7)]),
              st.sampled_from([(0.08, 1.0), (1.0, 1.0)])),
    st.builds(K.RandomCrop, st.sampled_from([(4, 4), (SIDE, SIDE)]),
              st.sampled_from([None, 2, (1, 2)]),
              p=st.sampled_from([0.0, 1.0])),
    st.builds(K.CenterCrop, st.sampled_from([3, (4, 5)])),
    st.builds(K.RandomRotation, st.sampled_from([30.0, (90.0, 90.0), (-180.0, 180.0)]),
              p=probabilities),
    st.builds(K.RandomRotation90, st.sampled_from([(0, 3), (-3, 3), (1, 1)]), p=probabilities),
    st.builds(K.RandomAffine, st.sampled_from([20.0, (-5.0, 40.0)]),
              st.sampled_from([None, (0.1, 0.2)]), st.sampled_from([None, (0.5, 2.0)]),
              st.sampled_from([None, (-5.0, 5.0)]), p=probabilities),
    st.builds(K.RandomPerspective, st.sampled_from([0.1, 0.5]), p=probabilities),
    st.builds(K.RandomErasing, st.sampled_from([(0.02, 0.33)]), p=probabilities),
)  # fmt: skip
applied = st.sampled_from([False, False, True, 1, (1, 2)])
pipelines = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda children, some: K.AugmentationSequential(*children, random_apply=some),
            st.lists(inner, min_size=1, max_size=4), applied,
        ),
        st.builds(
            lambda children, some: K.ImageSequential(*children, random_apply=some),
            st.lists(inner, min_size=1, max_size=3), applied,
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda children: nn.Sequential(*children)),
    ),
    max_leaves=5,
)  # fmt: skip


def outcome(run: Any, images: Any, seed: int) -> tuple[Any, Exception | None]:
    """Run under a seed of all sources of randomness; the result, or the error."""
    torch.manual_seed(seed)
    random.seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline's own
        try:
            return run(images), None
        except Exception as error:  # compared with the plain pipeline's
            return None, error


def check(pipeline: nn.Module, images: Tensor, seed: int) -> None:
    recorder = refused(lambda: KorniaRecorder(pipeline))
    if recorder is None:
        return
    expected, plain_error = outcome(pipeline, images, seed)
    plain_state = torch.get_rng_state()
    result, error = outcome(recorder, images, seed)
    if isinstance(error, AugSelfError):
        return
    assert type(error) is type(plain_error), (error, plain_error)
    if error is not None:
        return
    views, record = result
    assert torch.equal(views, expected)
    assert torch.equal(plain_state, torch.get_rng_state())
    assert list(record) == list(recorder.layout)
    for name, entry in record.items():
        assert entry.shape == (len(images), recorder.layout[name].width)
        assert entry.dtype == torch.float32
        assert entry.isfinite().all()
    for encoder in recorder.encoders:
        if encoder.name == "crop":  # more padding than image is refused there
            refused(lambda encoder=encoder: encoder.check(record))
        else:
            encoder.check(record)  # in the ranges that the encoder states
        assert encoder.difference(record, record).isfinite().all()


@given(
    pipeline=pipelines, batch=st.integers(1, 3), channels=st.sampled_from([3, 3, 3, 1, 4]),
    size=st.sampled_from([(SIDE, SIDE), (SIDE, SIDE), (12, 10), (1, 1)]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100)
def test_any_pipeline(
    pipeline: nn.Module, batch: int, channels: int, size: tuple[int, int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    check(pipeline, torch.rand(batch, channels, *size, generator=generator), seed)


flips = st.builds(K.RandomHorizontalFlip, p=probabilities)


@given(pipeline=flips, images=st.one_of(hostile_tensors(3), st.none(), st.just("image")))
@settings(max_examples=100)
def test_any_images(pipeline: nn.Module, images: Any) -> None:
    made = refused(lambda: KorniaRecorder(pipeline)(images))
    assert made is None or made[0].shape == images.shape
