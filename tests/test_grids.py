"""Grids of places: the means that adaptive pooling gives, of maps, tokens and videos."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from augself_loss import AugSelfLoss, FeatureError, Grid, LossError
from augself_loss.pooling import as_pool, places_of, pooled

BATCH, DIM = 4, 3
RECORD = {"flip": torch.tensor([[0.0], [1.0], [1.0], [0.0]])}


def draw(*shape: int) -> Tensor:
    return torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [2, 3, 5])
@pytest.mark.parametrize("places", [(6, 6), (7, 7), (5, 9), (30, 12)])
def test_maps(side: int, places: tuple[int, int]) -> None:
    maps = draw(DIM, *places).double()
    expected = adaptive_avg_pool2d(maps, side).flatten(1)
    torch.testing.assert_close(pooled(maps, Grid(side)), expected)
    last = pooled(maps.permute(0, 2, 3, 1), Grid(side, channels_last=True))
    torch.testing.assert_close(last, expected)


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_tokens(prefix: int) -> None:
    tokens = draw(49 + prefix, DIM)
    maps = tokens[:, prefix:].mT.reshape(BATCH, DIM, 7, 7)
    torch.testing.assert_close(
        pooled(tokens, Grid(2, prefix)), adaptive_avg_pool2d(maps, 2).flatten(1)
    )


def test_a_video_is_averaged_over_time() -> None:
    video = draw(DIM, 4, 6, 6)
    expected = adaptive_avg_pool2d(video.mean(2), 2).flatten(1)
    torch.testing.assert_close(pooled(video, Grid(2)), expected)
    last = pooled(video.movedim(1, -1), Grid(2, channels_last=True))
    torch.testing.assert_close(last, expected)


def test_a_whole_number_is_a_grid() -> None:
    assert as_pool(2) == Grid(2)
    assert places_of(Grid(3)) == 9
    augself = AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=16, pool=2)
    assert augself.pool == Grid(2)
    assert augself.feature_dim == DIM
    assert augself.heads["flip"][0].in_features == 2 * DIM * 4
    augself(draw(DIM, 4, 4), draw(DIM, 4, 4), RECORD, RECORD)


def test_the_width_is_learned() -> None:
    augself = AugSelfLoss(weights={"flip": 1.0}, hidden_dim=16, pool=2)
    augself(draw(DIM, 4, 4), draw(DIM, 4, 4), RECORD, RECORD)
    assert augself.feature_dim == DIM
    resumed = AugSelfLoss(weights={"flip": 1.0}, hidden_dim=16, pool=2)
    resumed.load_state_dict(augself.state_dict())
    assert resumed.feature_dim == DIM


def test_gradients_have_one_order() -> None:
    """Adaptive pooling's backward has none on CUDA; this is made of means alone."""
    torch.use_deterministic_algorithms(True)
    try:
        maps = draw(DIM, 7, 7).requires_grad_()
        pooled(maps, Grid(2)).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    reference = draw(DIM, 7, 7).requires_grad_()
    adaptive_avg_pool2d(reference, 2).sum().backward()
    torch.testing.assert_close(maps.grad, reference.grad)


@pytest.mark.parametrize("side", [1, 0, -2, 2.0, True, "2", None])
def test_a_side_is_a_whole_number(side: Any) -> None:
    with pytest.raises(LossError, match="side expected an integer >= 2"):
        Grid(side)


REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "vectors": (2, (DIM,), r"which is pooled already"),
    "one place": (2, (DIM, 1, 1), r"at least 2 × 2 places"),
    "few places": (4, (DIM, 5, 3), r"at least 4 × 4 places"),
    "few tokens": (3, (4, DIM), r"at least 3 × 3 places"),
    "no square": (2, (50, DIM), r"a square number of patches after 0 other tokens.*found 50"),
    "not enough": (Grid(2, 5), (5, DIM), r"a square number of patches after 5"),
    "a prefix of maps": (Grid(2, 1), (DIM, 4, 4), r"use pool=2"),
    "last": (
        2,
        (7, 7, 768),
        r"channels seem to come last.*pool=Grid\(…, channels_last=True\)|expected \(B, 3",
    ),
    "another width": (2, (DIM + 1, 4, 4), r"expected \(B, 3, ...\) for pool=Grid"),
}


@pytest.mark.parametrize(("pool", "shape", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_by_name(pool: Any, shape: tuple[int, ...], message: str) -> None:
    augself = AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=16, pool=pool)
    with pytest.raises(FeatureError, match=message):
        augself(draw(*shape), draw(*shape), RECORD, RECORD)
