"""The first layer on pairs of features is the concatenation's product, however computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.first_layer import FirstLayer
from augself_loss.functional import Pairs, ordered_pairs

BATCH, DIM, OUT = 3, 4, 5


def given(views: int) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(views, BATCH, DIM, generator=generator, dtype=torch.double)
    weight = torch.randn(OUT, 2 * DIM, generator=generator, dtype=torch.double)
    return [view.requires_grad_() for view in features], weight.requires_grad_()


def naive(features: list[Tensor], pairs: list[tuple[int, int]], weight: Tensor) -> Tensor:
    both = [torch.cat([features[i], features[j]], dim=-1) for i, j in pairs]
    return functional.linear(torch.cat(both), weight)


@pytest.mark.parametrize(("views", "pairs", "symmetric", "split"), [
    (2, "all", True, False),
    (2, "all", False, False),
    (3, "all", True, True),
    (3, "all", False, True),
    (4, "all", True, True),
    (4, "first", True, True),
    (4, "first", False, True),
    (5, [(0, 4), (3, 1)], True, False),
])  # fmt: skip
def test_it_is_the_product_of_the_concatenation(
    views: int, pairs: Pairs, symmetric: bool, split: bool
) -> None:
    order = ordered_pairs(views, pairs, symmetric=symmetric)
    (ours, weight), (theirs, same) = given(views), given(views)
    first = FirstLayer(ours, order)
    assert first.split == split
    out, expected = first(weight), naive(theirs, order, same)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(weight.grad, same.grad)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_all_pairs_of_many_views_cost_two_products_a_view() -> None:
    features, _ = given(8)
    first = FirstLayer(features, ordered_pairs(8))
    assert len(first.left) == len(first.right) == 8 * BATCH
