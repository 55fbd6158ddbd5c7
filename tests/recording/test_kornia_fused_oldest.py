"""Before 0.9 Kornia keeps other parameters: a fused recorder runs Kornia itself, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

pytestmark = pytest.mark.skipif(not ONLY_APPLIED_ROWS, reason="is fused since Kornia 0.9")
Images: TypeAlias = Callable[..., Tensor]


def pipeline() -> nn.Module:
    return K.AugmentationSequential(
        K.RandomResizedCrop((20, 20), (0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


def test_views_and_records_are_kornias(smooth: Images) -> None:
    outcomes = []
    for apply in ("kornia", "fused"):
        torch.manual_seed(0)
        recorder = KorniaRecorder(pipeline(), apply=apply)  # type: ignore[arg-type]
        outcomes.append((*recorder(smooth(6, 30, 30)), recorder))
    (views, record, _), (same, told, recorder) = outcomes
    assert torch.equal(views, same)
    assert all(torch.equal(record[name], told[name]) for name in record)
    assert torch.equal(recorder.replay(smooth(6, 30, 30), told), same)


def test_it_says_so() -> None:
    told = KorniaRecorder(pipeline(), apply="fused").fused
    assert set(told.values()) == {"Kornia's own: Kornia before 0.9 is not fused"}
