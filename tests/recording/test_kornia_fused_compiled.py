"""Compiled forms agree with Kornia, and compile once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

pytestmark = pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 is not fused")

Images: TypeAlias = Callable[..., Tensor]


def assert_agreement(build: Callable[[], nn.Module], images: Tensor, seeds: int) -> None:
    kornia = KorniaRecorder(build())
    fused = KorniaRecorder(build(), apply="fused", compile=True)
    for seed in range(seeds):
        torch.manual_seed(seed)
        views, record = kornia(images)
        torch.manual_seed(seed)
        ours, same = fused(images)
        assert ((views - ours).abs() > 1e-5).float().mean() <= 1e-4
        assert all(torch.equal(record[name], same[name]) for name in record)


@pytest.mark.slow
def test_a_form_is_compiled(smooth: Images) -> None:
    assert_agreement(lambda: K.RandomGrayscale(p=0.4), smooth(6, 20, 20), 4)


@pytest.mark.slow
def test_a_pipeline_is_compiled(smooth: Images) -> None:
    def build() -> nn.Module:
        return K.AugmentationSequential(
            K.RandomResizedCrop((64, 64), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
            K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.5),
            K.RandomSolarize(0.1, 0.1, p=0.2),
            K.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
        )

    assert_agreement(build, smooth(8, 70, 61), 12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        lambda: K.ColorJitter(0.4, p=1.0),
        lambda: K.ColorJitter(0.0, 0.3, 0.0, 0.0, p=0.3),
        lambda: K.ColorJitter(0.3, 0.3, 0.3, 0.1, p=0.8, order=(3, 1)),
        lambda: K.RandomGaussianBlur((3, 7), (0.1, 2.0), p=1.0),
        lambda: K.RandomVerticalFlip(p=0.5),
        lambda: K.RandomResizedCrop((50, 60), align_corners=False),
    ],
)
def test_every_form_is_compiled(build: Callable[[], nn.Module], smooth: Images) -> None:
    assert_agreement(build, smooth(5, 70, 61), 6)
