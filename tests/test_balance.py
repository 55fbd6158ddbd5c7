"""Gradients at the features are compared as the equation says, and nothing else is touched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, FeatureError, LossError, gradient_ratios
from augself_loss.balance import gradient_norms

RECORD1 = {"flip": torch.tensor([[0.0], [1.0], [1.0], [0.0]])}
RECORD2 = {"flip": torch.tensor([[1.0], [1.0], [0.0], [0.0]])}


@pytest.fixture
def features() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(4, 8, requires_grad=True) for _ in range(2)]


def test_ratios_are_those_of_the_gradients(features: list[Tensor]) -> None:
    f1, f2 = features
    base = (3 * f1).sum() + (4 * f2).sum()  # ‖∇‖ = 5 √32
    terms = {"crop": f1.sum(), "color": 10 * f2.sum()}
    ratios = gradient_ratios(base, terms, features)
    assert ratios == pytest.approx({"crop": 0.2, "color": 2.0})


def test_the_real_term_stays_as_it_was(features: list[Tensor]) -> None:
    augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
    out = augself(*features, RECORD1, RECORD2)
    base = -torch.cosine_similarity(*features).mean()
    ratios = gradient_ratios(base, out.terms, features)
    assert ratios["flip"] > 0
    assert all(p.grad is None for p in [*augself.parameters(), *features])
    (base + out.total).backward()  # the graphs are still there
    assert features[0].grad is not None


def test_detached_features_do_not_count(features: list[Tensor]) -> None:
    f1, f2 = features[0], features[1].detach()
    assert gradient_ratios((f1 + f2).sum(), {"crop": 2 * f1.sum()}, [f1, f2]) == {"crop": 2.0}


def test_half_precision_is_compared_in_float32() -> None:
    f = torch.full((64, 64), 1.0, dtype=torch.float16, requires_grad=True)
    ratios = gradient_ratios((300 * f).float().sum(), {"crop": (600 * f).float().sum()}, [f])
    assert ratios == pytest.approx({"crop": 2.0})  # in float16 the norms would be infinite


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3, 3e4])
def test_gradients_in_half_precision_neither_vanish_nor_overflow(size: float) -> None:
    wide = torch.randn(2, 64, 128)

    def ratios(dtype: torch.dtype) -> float:
        f1, f2 = (view.to(dtype).requires_grad_() for view in wide)
        base = -size * torch.cosine_similarity(f1.float(), f2.float()).mean()
        (found,) = gradient_ratios(base, {"crop": (f1.float() - f2).abs().sum()}, [f1, f2]).values()
        return found

    assert ratios(torch.float16) == pytest.approx(ratios(torch.float32), rel=1e-2)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e18])
def test_norms_in_float32_are_those_of_autograd_to_the_last_bit(size: float) -> None:
    pair = [torch.randn(16, 32, requires_grad=True) for _ in range(2)]
    loss = size * torch.cosine_similarity(pair[0], pair[1]).mean()
    grads = torch.autograd.grad(loss, pair, retain_graph=True)
    plain = torch.stack([grad.norm() for grad in grads]).norm()
    assert gradient_norms([loss], pair) == [float(plain)]


def test_a_term_away_from_the_features_weighs_nothing(features: list[Tensor]) -> None:
    other = torch.ones(3, requires_grad=True)
    assert gradient_ratios(features[0].sum(), {"crop": other.sum()}, features) == {"crop": 0.0}


def test_what_cannot_be_compared_is_refused(features: list[Tensor]) -> None:
    f1, _ = features
    base, terms = f1.sum(), {"crop": f1.sum()}
    with pytest.raises(FeatureError, match="found none with a gradient"):
        gradient_ratios(base, terms, [f1.detach()])
    with pytest.raises(LossError, match="expected at least one term"):
        gradient_ratios(base, {}, features)
    with pytest.raises(LossError, match=r"expected base .* found a tensor without a gradient"):
        gradient_ratios(base.detach(), terms, features)
    with pytest.raises(LossError, match=r"expected terms\['crop'\] .* found shape \(4, 8\)"):
        gradient_ratios(base, {"crop": 2 * f1}, features)
    with pytest.raises(LossError, match="found float"):
        gradient_ratios(1.0, terms, features)  # type: ignore[arg-type]
    with pytest.raises(LossError, match="found zero"):
        gradient_ratios(torch.ones(1, requires_grad=True).sum(), terms, features)
    with pytest.raises(LossError, match=r"finite gradient of terms\['crop'\] .*, found norm nan"):
        gradient_ratios(base, {"crop": float("nan") * f1.sum()}, features)
