"""Parity with the numbers that the released code computed, in the paper's preset."""

from typing import Any

import pytest
import torch

from augself_loss import AugSelfLoss


def paper_loss(golden: Any, **options: Any) -> AugSelfLoss:
    augself = AugSelfLoss(
        golden.arrays["features1"].shape[1],
        golden.weights(solarize=0.0),
        hidden_dim=32,
        preset="paper",
        encoders=[golden.color()],
        **options,
    )
    augself.load_released_heads(golden.heads())
    return augself


@pytest.mark.parametrize(("one", "two"), [(1, 2), (2, 1)])
def test_targets(golden: Any, one: int, two: int) -> None:
    for theirs, ours in golden.released.items():
        encoder = paper_loss(golden).encoders[ours]
        target = encoder.difference(golden.record(one), golden.record(two))
        expected = golden.arrays[f"target{one}{two}.{theirs}"]
        torch.testing.assert_close(target.reshape(expected.shape), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("symmetric", "prefix"), [(True, "loss"), (False, "loss_asymmetric")])
def test_losses(golden: Any, symmetric: bool, prefix: str) -> None:
    augself = paper_loss(golden, symmetric=symmetric)
    out = augself(golden.features(1), golden.features(2), golden.record(1), golden.record(2))
    for theirs, ours in golden.released.items():
        if f"{prefix}.{theirs}" in golden.arrays:
            expected = golden.arrays[f"{prefix}.{theirs}"]
            torch.testing.assert_close(out.terms[ours], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.total, golden.arrays[f"{prefix}.total"], atol=1e-5, rtol=0)


def test_gradients(golden: Any) -> None:
    one, two = golden.features(1), golden.features(2)
    paper_loss(golden)(one, two, golden.record(1), golden.record(2)).total.backward()
    torch.testing.assert_close(one.grad, golden.arrays["grad1"], atol=1e-5, rtol=0)
    torch.testing.assert_close(two.grad, golden.arrays["grad2"], atol=1e-5, rtol=0)


def test_solarize_is_compared_element_by_element(golden: Any) -> None:
    out = paper_loss(golden)(
        golden.features(1), golden.features(2), golden.record(1), golden.record(2)
    )
    expected = golden.arrays["loss.sol_elementwise"]
    torch.testing.assert_close(out.terms["solarize"], expected, atol=1e-5, rtol=0)
    assert not expected.isclose(golden.arrays["loss.sol_as_released"], atol=1e-5)


def test_released_heads_are_loaded(golden: Any) -> None:
    augself = paper_loss(golden)
    for theirs, ours in golden.released.items():
        state = augself.heads[ours].state_dict()
        assert list(state) == list(golden.heads()[theirs])
        assert all(state[key].equal(value) for key, value in golden.heads()[theirs].items())
