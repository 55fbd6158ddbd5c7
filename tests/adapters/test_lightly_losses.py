"""Lightly's losses with the term added by the core wrapper."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import lightly.loss
import pytest
import torch
from lightly.loss.hypersphere_loss import HypersphereLoss
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from torch import Tensor

from augself_loss import AugSelfLoss, Record, with_augself

pytestmark = pytest.mark.host


def pair(one: Tensor, two: Tensor) -> tuple[Any, ...]:
    return one, two


def listed(one: Tensor, two: Tensor) -> tuple[Any, ...]:
    return ([one, two],)


def teacher(one: Tensor, two: Tensor) -> tuple[Any, ...]:
    return [one.detach(), two.detach()], [one, two]


def stacked(one: Tensor, two: Tensor) -> tuple[Any, ...]:
    both = torch.stack([one, two], dim=1)
    return both, both.detach()


Arguments = Callable[[Tensor, Tensor], tuple[Any, ...]]
LOSSES: Mapping[str, tuple[dict[str, Any], Arguments, dict[str, Any]]] = {
    "NTXentLoss": ({}, pair, {}),
    "NTXentLoss memory bank": ({"memory_bank_size": (16, 8)}, pair, {}),
    "NegativeCosineSimilarity": ({}, pair, {}),
    "BarlowTwinsLoss": ({}, pair, {}),
    "VICRegLoss": ({}, pair, {}),
    "DCLLoss": ({}, pair, {}),
    "DCLWLoss": ({}, pair, {}),
    "DINOLoss": ({"output_dim": 8}, teacher, {"epoch": 1}),
    "SwaVLoss": ({}, lambda one, two: ([one, two], [one * 0.5]), {}),
    "TiCoLoss": ({}, pair, {"update_covariance_matrix": True}),
    "HypersphereLoss": ({}, pair, {}),
    "MMCRLoss": ({}, stacked, {}),
    "EMPSSLLoss": ({}, listed, {}),
    "FroSSLLoss": ({}, listed, {}),
}


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")  # DCLWLoss's own
@pytest.mark.parametrize("name", LOSSES)
def test_lightly_s_losses_take_the_term(name: str, make_record: Callable[..., Record]) -> None:
    options, arguments, more = LOSSES[name]
    kind = {
        "HypersphereLoss": HypersphereLoss,
        "NegativeCosineSimilarity": NegativeCosineSimilarity,
    }
    build = kind.get(name) or getattr(lightly.loss, name.split(maxsplit=1)[0], None)
    if build is None:
        pytest.skip(f"this version of lightly has no {name}")
    torch.manual_seed(0)
    augself = AugSelfLoss(5, {"crop": 1.0, "flip": 0.5, "blur": 2.0}, hidden_dim=8)
    wrapped = with_augself(build(**options), augself)
    made = [make_record(augself.encoders.values(), 6, seed) for seed in range(2)]
    projections, features = (
        [torch.randn(6, dim, requires_grad=True) for _ in range(2)] for dim in (8, 5)
    )
    alone, term = copy.deepcopy(wrapped.loss), copy.deepcopy(augself)
    for _ in range(2):  # some of them keep a state
        torch.manual_seed(1)
        value = wrapped(*arguments(*projections), features=features, records=made, **more)
        torch.manual_seed(1)
        base = alone(*arguments(*projections), **more)
        assert value.equal(base + term(features, made).total)
        assert wrapped.base is not None
        assert wrapped.base.equal(base)
    value.backward()
    for tensor in (*projections, *features, *augself.heads.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.ne(0).any()
    expected = torch.autograd.grad(base, projections)
    assert all(
        z.grad is not None and z.grad.equal(g) for z, g in zip(projections, expected, strict=True)
    )


def test_mocos_queue_holds_keys() -> None:
    """As the README says where it differs from the released code, whose queue holds queries."""
    queries, keys = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    criterion = lightly.loss.NTXentLoss(temperature=0.2, memory_bank_size=(16, 8))
    criterion(queries.requires_grad_(), keys)
    held = criterion.memory_bank.bank
    held = held if held.shape[-1] == 8 else held.T
    torch.testing.assert_close(held[:4], torch.nn.functional.normalize(keys, dim=-1))
