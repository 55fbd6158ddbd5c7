"""CARE's term, against its equation image by image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from augself_loss import FeatureError, LossError, RecordError
from augself_loss.objectives import CARE


def by_hand(one: Tensor, two: Tensor, group: int) -> Tensor:
    """Compute the mean over all pairs of two different images of one group."""
    one, two = functional.normalize(one, dim=1), functional.normalize(two, dim=1)
    found = [
        (one[i] @ one[j] - two[i] @ two[j]) ** 2
        for i in range(len(one))
        for j in range(len(one))
        if i != j and i // group == j // group
    ]
    return torch.stack(found).mean()


@pytest.mark.parametrize("group", [2, 3, 4, 12])
def test_the_equation(group: int) -> None:
    views = [torch.randn(12, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    out = CARE(weight=0.5, group=group)(views)
    expected = by_hand(*views, group)
    torch.testing.assert_close(out.terms["care"].detach(), expected.detach(), atol=1e-12, rtol=0)
    torch.testing.assert_close(out.total.detach(), 0.5 * expected.detach(), atol=1e-12, rtol=0)
    found = torch.autograd.grad(out.terms["care"], views)
    for gradient, known in zip(found, torch.autograd.grad(expected, views), strict=True):
        torch.testing.assert_close(gradient, known, atol=1e-12, rtol=0)


def test_the_default_is_the_papers() -> None:
    """The released code: for each image the sum over its group of 32, doubled; times 0.01."""
    one, two = torch.randn(2, 64, 8, dtype=torch.float64)
    expected = 0.01 * 2 * 31 * by_hand(one, two, 32)
    torch.testing.assert_close(CARE(group=32)([one, two]).total, expected)


def test_turning_a_group_costs_nothing_and_turning_within_one_does() -> None:
    one, turn = torch.randn(8, 6), torch.linalg.qr(torch.randn(6, 6)).Q
    care, scale = CARE(group=4), 1 + torch.rand(8, 1)
    other = torch.cat([one[:4] @ turn, one[4:]])  # another augmentation, another turn
    assert float(care([one, scale * other]).total) < 1e-9
    assert float(care([one, torch.cat([one[:2] @ turn, one[2:]])]).total) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    views = [torch.randn(8, 16).to(dtype) for _ in range(2)]
    with torch.autocast("cpu", dtype=dtype):
        out = CARE()(views)
    assert out.total.dtype == torch.float32
    torch.testing.assert_close(out.total, CARE()([view.float() for view in views]).total)


def test_groups_with_draws_of_their_own_are_refused() -> None:
    views = [torch.randn(8, 4), torch.randn(8, 4)]
    crop = torch.rand(2, 4).repeat_interleave(4, dim=0)
    alike = {"crop": crop, "flip": torch.ones(8, 1)}
    own = {"crop": crop, "flip": torch.tensor([[0.0], [1.0]]).repeat(4, 1)}
    CARE(group=4)(views, [alike, alike])
    CARE(group=4, shared=["crop"])(views, [own, own])
    CARE(group=4, shared=())(views, [own, own])
    wrong = r"every 4 images in a row to share 'flip'.*Partners\(recorder, own=\[\], group=4\)"
    with pytest.raises(RecordError, match=wrong):
        CARE(group=4)(views, [alike, own])
    with pytest.raises(RecordError, match=r"2k and 2k \+ 1 to share 'crop'.*own=\[\]\) and"):
        CARE()(views, [{"crop": torch.rand(8, 4)}] * 2)
    with pytest.raises(
        RecordError, match=r"records of what partners share, of 8 images, found \[\]"
    ):
        CARE()(views, [{}, {}])


def test_what_has_no_groups_is_refused() -> None:
    with pytest.raises(FeatureError, match="B a multiple of 4, found"):
        CARE(group=4)([torch.zeros(6, 4)] * 2)
    with pytest.raises(FeatureError, match="two views, found 3"):
        CARE()([torch.zeros(4, 4)] * 3)
    for group in (1, True, 2.0, None):
        with pytest.raises(LossError, match="group expected an integer >= 2"):
            CARE(group=group)  # type: ignore[arg-type]
