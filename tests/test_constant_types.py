"""Types that are the same for all images of a batch."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, ConstantTypeWarning, FlipEncoder, GrayscaleEncoder


def records(flips: Any, batch: int = 64) -> list[dict[str, Tensor]]:
    """Grey at random, and flipped as is told for each view: 0, 1, or ``None`` for at random."""
    drawn = [torch.arange(batch)[:, None] % 2.0 for _ in flips]
    flipped = [d if f is None else torch.full((batch, 1), float(f)) for f, d in zip(flips, drawn)]  # noqa: B905
    return [{"flip": f, "grayscale": d} for f, d in zip(flipped, drawn, strict=True)]


def told(views: list[dict[str, Tensor]], **weights: float) -> list[str]:
    augself = AugSelfLoss(
        8, {"flip": 1.0, "grayscale": 1.0, **weights},
        encoders=[FlipEncoder(), GrayscaleEncoder()], hidden_dim=8, check_values="always",
    )  # fmt: skip
    features = [torch.randn(len(view["flip"]), 8) for view in views]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        augself(features, views)
        augself(features, views)
    assert all(w.category is ConstantTypeWarning for w in caught)
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("flips", [(0, 0), (1, 1), (1, 0), (0, 0, 1)])
def test_a_type_that_is_the_same_for_all_images_is_told_once(flips: Any) -> None:
    (message,) = told(records(flips))
    assert "expected 'flip' to differ between images, found it the same for all 64" in message


@pytest.mark.parametrize("flips", [(None, None), (None, 0), (0, None, 1)])
def test_what_varies_in_some_view_is_not(flips: Any) -> None:
    assert not told(records(flips))


def test_nor_few_images_nor_a_type_that_adds_nothing() -> None:
    assert not told(records((0, 0), batch=63))
    assert not told(records((0, 0)), flip=0.0)
