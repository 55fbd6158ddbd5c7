"""Any pipeline in its fused form: Kornia's records and random state, and its views."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from augself_loss import AugSelfError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

pytestmark = pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 is not fused")

BATCH = 8
odds = st.sampled_from([0.0, 0.3, 0.5, 1.0])
strengths = st.sampled_from([0.0, 0.4, (0.5, 1.5), (1.0, 1.0)])
pair = st.sampled_from([(9, 9), (4, 7), (12, 5)])
alike = st.booleans()
forms = st.one_of(
    st.builds(K.RandomResizedCrop, pair, st.sampled_from([(0.05, 1.0), (1.0, 1.0)]),
              align_corners=alike, same_on_batch=alike),
    st.builds(K.CenterCrop, st.sampled_from([3, (4, 5)])),
    st.builds(K.Resize, pair, align_corners=alike),
    st.builds(K.RandomHorizontalFlip, p=odds, same_on_batch=alike),
    st.builds(K.RandomVerticalFlip, p=odds),
    st.builds(K.RandomRotation90, st.sampled_from([(-3, 3), (1, 1)]), p=odds),
    st.builds(K.ColorJitter, strengths, strengths, strengths,
              st.sampled_from([0.0, 0.1, (-0.5, 0.5)]), p=odds, same_on_batch=alike,
              order=st.sampled_from([None, (2, 0), (3, 1, 2, 0)])),
    st.builds(K.RandomGrayscale, p=odds),
    st.builds(K.RandomGaussianBlur, st.sampled_from([(3, 3), (5, 3), (1, 1)]),
              st.sampled_from([(0.01, 2.0), (1.0, 1.0)]), p=odds, same_on_batch=alike),
    st.builds(K.RandomSolarize, st.sampled_from([0.1, (0.0, 1.0)]), st.sampled_from([0.1, 0.0]),
              p=odds),
    st.builds(K.Normalize, st.just((0.4, 0.5, 0.6)), st.just((0.2, 0.3, 0.4))),
)  # fmt: skip
others = st.one_of(
    st.builds(K.RandomInvert, p=odds), st.builds(K.RandomGamma, p=odds), st.builds(nn.Identity)
)
steps = st.lists(st.one_of(forms, forms, forms, others), min_size=1, max_size=6)
containers = st.sampled_from([K.AugmentationSequential, K.ImageSequential, nn.Sequential])
pipelines = st.builds(lambda kind, inside: kind(*inside), containers, steps)


def outcome(run: Any, images: Tensor, seed: int) -> tuple[Any, str]:
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline's own
        try:
            return run(images), ""
        except Exception as error:  # compared with Kornia's
            return None, type(error).__name__


@given(pipelines, st.integers(0, 2**16), st.sampled_from([(12, 12), (9, 14)]))
@settings(max_examples=400)
def test_any_pipeline(pipeline: nn.Module, seed: int, side: tuple[int, int]) -> None:
    low = torch.rand(BATCH, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    images = nn.functional.interpolate(low, side, mode="bilinear", align_corners=True)
    try:
        kornia = KorniaRecorder(copy.deepcopy(pipeline))
    except AugSelfError:
        return
    fused = KorniaRecorder(pipeline, apply="fused")
    expected, error = outcome(kornia, images, seed)
    state = torch.get_rng_state()
    found, same = outcome(fused, images, seed)
    assert error == same
    if error:
        return
    assert torch.equal(state, torch.get_rng_state())
    (views, record), (ours, told) = expected, found
    assert all(torch.equal(record[name], told[name]) for name in record)
    far = (views - ours).abs() > 1e-5 * max(1.0, float(views.abs().max()))
    # A solarized value next to its threshold may go either way, and what follows spreads it.
    assert int(far.flatten(1).any(1).sum()) <= (1 if _solarizes(pipeline) else 0)


def _solarizes(pipeline: nn.Module) -> bool:
    return any(isinstance(module, K.RandomSolarize) for module in pipeline.modules())
