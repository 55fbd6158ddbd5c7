"""What is fitted: as the equations say, from a seed, whatever the caller's mode, alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor

from augself_loss.diagnostics import bilinear
from augself_loss.diagnostics.bilinear import STRENGTHS, fit_bilinear
from augself_loss.diagnostics.fitting import Scale, fitted_rows
from augself_loss.diagnostics.mlp import fit_mlp


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_constant_column_is_not_blown_up() -> None:
    rows = torch.cat([normal(50, 1), torch.full((50, 1), 0.1), torch.zeros(50, 1)], dim=1)
    scale = Scale.of(rows, torch.float32)
    assert scale.scaled(rows).abs().max() < 5
    assert torch.allclose(scale.unscaled(scale.scaled(rows)), rows, atol=1e-6)
    assert scale.scaled(rows)[:, 0].std(correction=0) == pytest.approx(1)


@pytest.mark.parametrize(("count", "fitted"), [(8, 7), (9, 8), (100, 88)])
def test_an_eighth_is_held_back(count: int, fitted: int) -> None:
    assert fitted_rows(count) == fitted


def made_by_matrices(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Targets that a matrix gives, which parameters make."""
    matrices, base = normal(2, 4, 4, seed=9), normal(4, 4, seed=8)
    f, z = normal(count, 4, seed=seed), normal(count, 2, seed=seed + 1)
    made = torch.einsum("np,pij->nij", z, matrices) + base
    return f, z, torch.einsum("nij,nj->ni", made, f)


def test_bilinear_finds_the_matrices_that_parameters_make() -> None:
    f, z, y = made_by_matrices(400, 0)
    predict = fit_bilinear(f, z, y)
    f, z, y = made_by_matrices(50, 10)
    assert (predict(f, z) - y).square().mean() < 1e-3 * y.square().mean()
    assert (predict(f, -z) - y).square().mean() > y.square().mean() / 10


def test_bilinear_is_ridge_regression_on_products() -> None:
    """Weights on all products of (1, f) and (1, z), a row at a time."""
    f, z, y = made_by_matrices(40, 0)
    y = y + 3 * normal(40, 4, seed=5)
    f64, z64, y64 = (Scale.of(x, torch.float64).scaled(x) for x in (f, z, y))
    one = torch.ones(40, 1, dtype=torch.float64)
    left, right = torch.cat([one, f64], dim=1), torch.cat([one, z64], dim=1)
    products = torch.stack([torch.outer(a, b).flatten() for a, b in zip(left, right, strict=True)])
    train = fitted_rows(40)

    def weights(rows: Tensor, targets: Tensor, strength: float) -> Tensor:
        penalty = strength * rows.square().sum(dim=1).mean() * torch.eye(rows.shape[1])
        return torch.linalg.solve(rows.T @ rows + penalty, rows.T @ targets)

    errors = [
        float((products[train:] @ weights(products[:train], y64[:train], s) - y64[train:])
              .square().mean())
        for s in STRENGTHS
    ]  # fmt: skip
    chosen = STRENGTHS[errors.index(min(errors))]
    expected = Scale.of(y, torch.float64).unscaled(products @ weights(products, y64, chosen))
    assert torch.allclose(fit_bilinear(f, z, y)(f, z), expected, atol=1e-8)


def test_bilinear_predicts_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    f, z, y = made_by_matrices(60, 0)
    predict = fit_bilinear(f, z, y)
    whole = predict(f, z)
    monkeypatch.setattr(bilinear, "AT_ONCE", 7)
    assert torch.allclose(predict(f, z), whole)


def product(count: int, seed: int) -> tuple[Tensor, Tensor]:
    x = normal(count, 3, seed=seed)
    return x, 5 + torch.stack([x[:, 0] * x[:, 1].sign(), x[:, 2]], dim=1)


def test_mlp_learns_what_no_linear_function_is() -> None:
    predict = fit_mlp(*product(800, 0), dropout=0.0)
    x, y = product(200, 1)
    missed = (predict(x) - y).square().mean(dim=0) / y.var(dim=0)
    assert (missed < 0.2).all()


@pytest.mark.parametrize(
    "mode",
    [
        nullcontext(),
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
        torch.device("meta"),  # as torch.set_default_device would have it
    ],
    ids=lambda mode: type(mode).__name__,
)
def test_mlp_follows_from_its_seed_in_any_mode(mode: AbstractContextManager[object]) -> None:
    x, y = product(100, 0)
    expected = fit_mlp(x, y, seed=3)(x)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    with mode:
        found = fit_mlp(x.clone(), y.clone(), seed=3)(x)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found, expected)
    assert not torch.equal(fit_mlp(x, y, seed=4)(x), expected)
