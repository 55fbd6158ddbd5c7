"""Maps and tokens, wherever their channels are: read right, or refused with no wrong advice."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, FeatureError, LossError, Patches

BATCH, DIM = 4, 8
RECORD = {"flip": torch.tensor([[0.0], [1.0], [1.0], [0.0]])}


def total(pool: Any, *views: Tensor, feature_dim: Any = DIM) -> Tensor:
    torch.manual_seed(0)
    augself = AugSelfLoss(feature_dim, {"flip": 1.0}, hidden_dim=16, pool=pool)
    found: Tensor = augself(*views, RECORD, RECORD).total
    return found


def draw(*shape: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(BATCH, *shape, generator=generator) for _ in range(2)]


READ: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "vectors": ("mean", (DIM,), ()),
    "maps": ("mean", (DIM, 2, 3), (2, 3)),
    "square maps": ("mean", (DIM, 7, 7), (2, 3)),
    "video": ("mean", (DIM, 2, 3, 3), (2, 3, 4)),
    "tokens": ("mean", (5, DIM), (1,)),
    "Swin's maps": ("mean_channels_last", (7, 7, DIM), (1, 2)),
    "narrow maps": ("mean_channels_last", (2, 5, DIM), (1, 2)),
    "Video Swin's": ("mean_channels_last", (2, 3, 3, DIM), (1, 2, 3)),
    "one place": ("mean_channels_last", (1, 1, DIM), (1, 2)),
    "tokens, channels last": ("mean_channels_last", (5, DIM), (1,)),
    "vectors, channels last": ("mean_channels_last", (DIM,), ()),
    "video of one place": (None, (DIM, 1, 1, 1), (2, 3, 4)),
}


@pytest.mark.parametrize(("pool", "shape", "places"), READ.values(), ids=list(READ))
def test_averaged_over_places(pool: Any, shape: tuple[int, ...], places: tuple[int, ...]) -> None:
    views = draw(*shape)
    means = [view.mean(places) if places else view for view in views]
    torch.testing.assert_close(total(pool, *views), total(None, *means))


@pytest.mark.parametrize("prefix", [0, 1, 4])
def test_patches_are_averaged_without_the_tokens_before_them(prefix: int) -> None:
    views = draw(5, DIM)
    means = [view[:, prefix:].mean(1) for view in views]
    pooled = total(Patches(prefix), *views)
    torch.testing.assert_close(pooled, total(None, *means))
    assert (prefix == 0) == torch.equal(pooled, total("mean", *views)), "mean takes all tokens"


@pytest.mark.parametrize("prefix", [-1, 1.0, None, True, "cls"])
def test_a_prefix_is_a_whole_number(prefix: Any) -> None:
    with pytest.raises(LossError, match=r"prefix expected an integer >= 0"):
        Patches(prefix)


@pytest.mark.parametrize("pool", ["patches", Patches, 1, ("patches", 1), {"prefix": 1}, b"cls"])
def test_no_way_of_pooling(pool: Any) -> None:
    with pytest.raises(LossError, match=r"'cls'\), Patches\(prefix=1\) for.*found"):
        AugSelfLoss(DIM, {"flip": 1.0}, pool=pool)


REFUSED: dict[str, tuple[Any, int, tuple[int, ...], str]] = {
    "Swin's maps": ("mean", 768, (7, 7, 768), r"pool='mean_channels_last', feature_dim=768"),
    "of the advice of old": (
        "mean",
        7,
        (7, 7, 768),
        r"channels seem to come last.*feature_dim=768 and pool='me",
    ),
    "video, last": (
        "mean",
        2,
        (2, 7, 7, 768),
        r"channels seem to come last.*feature_dim=768 and pool='me",
    ),
    "another width, last": ("mean", 512, (7, 7, 768), r"come last: .*feature_dim=768"),
    "maps as if last": ("mean_channels_last", 8, (8, 7, 7), r"come second: use pool='mean'"),
    "sequences": ("mean", 8, (8, 5), r"in the middle: pass features.mean\(-1\)"),
    "sequences, cls": ("cls", 8, (8, 5), r"in the middle"),
    "another width": ("mean", 8, (9, 7, 7), r"expected \(B, 8, ...\).*found \(4, 9, 7, 7\)"),
    "another width of tokens": ("mean", 8, (5, 9), r"expected \(B, ..., 8\).*before the projector"),
    "not pooled": (None, 8, (7, 7, 8), r"pool='mean_channels_last' for maps \(B, H, W, D\)"),
    "cls of maps": ("cls", 8, (8, 7, 7), r"pool='mean' for maps"),
    "patches of maps": (Patches(1), 8, (8, 7, 7), r"no class token: use pool='mean'"),
    "patches of one place": (Patches(1), 8, (8, 1, 1), r"no class token: use pool='mean'"),
    "patches of vectors": (Patches(1), 8, (8,), r"pooled already: leave pool out"),
    "no patches": (
        Patches(5),
        8,
        (5, 8),
        r"\(B, N > 5, D\) for pool=Patches\(prefix=5\).*find_taps",
    ),
    "another width of patches": (Patches(1), 8, (5, 9), r"expected \(B, ..., 8\)"),
}


@pytest.mark.parametrize(("pool", "dim", "shape", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_by_name(pool: Any, dim: int, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        total(pool, *draw(*shape), feature_dim=dim)


@pytest.mark.parametrize("places", [(7, 7), (2, 3), (3, 2), (14, 7), (2, 7, 7)])
def test_no_advice_pools_over_channels(places: tuple[int, ...]) -> None:
    """No message tells to call a side of the map the number of channels."""
    for pool in ("mean", "cls"):
        with pytest.raises(FeatureError) as caught:
            total(pool, *draw(*places, 768), feature_dim=768)
        text = str(caught.value)
        assert not any(re.search(rf"feature_dim={side}\b", text) for side in places)


INTEGERS = [np.int64(DIM), np.prod([2, 4]), np.array(DIM), torch.tensor(DIM), torch.tensor(8).int()]


@pytest.mark.parametrize("number", INTEGERS, ids=lambda number: type(number).__name__)
def test_any_integer_is_a_width(number: Any) -> None:
    augself = AugSelfLoss(number, {"flip": 1.0}, hidden_dim=number)
    assert type(augself.feature_dim) is int
    assert augself.heads["flip"][0].weight.shape == (DIM, 2 * DIM)
    assert type(augself.heads["flip"][0].in_features) is int


NONE = [8.0, np.float64(8), np.bool_(True), True, torch.tensor(8.0), torch.tensor(True), [8],
        torch.tensor([8]), np.array([8]), torch.tensor(8, device="meta"), "8", None, -1,
        np.int64(0)]  # fmt: skip


@pytest.mark.parametrize("number", NONE, ids=repr)
def test_what_is_no_whole_number_is_refused(number: Any) -> None:
    # Without a feature_dim it is learned from the first features.
    for name in ("hidden_dim",) if number is None else ("feature_dim", "hidden_dim"):
        with pytest.raises(LossError, match=f"{name} expected an integer >= 1, found"):
            AugSelfLoss(**{"feature_dim": DIM, "weights": {"flip": 1.0}, name: number})
