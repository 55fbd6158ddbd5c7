"""λ is set so that gradients keep their share, in time, and with nothing else touched."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, FeatureError, GradientShare, LossError, gradient_ratios
from augself_loss.share import RatioMeter

TYPES = {"flip": 1.0, "grayscale": 2.0}
RECORD1, RECORD2 = (
    {name: torch.tensor(bits, dtype=torch.float32)[:, None] for name in TYPES}
    for bits in ([0, 1, 1, 0], [1, 1, 0, 0])
)


def made(**weights: float) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(feature_dim=8, weights={**TYPES, **weights}, hidden_dim=16)


def features(seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 8, generator=generator).requires_grad_() for _ in range(2)]


def base_of(pair: list[Tensor]) -> Tensor:
    return -torch.cosine_similarity(*pair).mean()


def step(augself: AugSelfLoss, meter: RatioMeter, seed: int = 1) -> dict[str, float] | None:
    pair = features(seed)
    out = augself(*pair, RECORD1, RECORD2)
    base = base_of(pair)
    found = meter.measure(base)
    (base + out.total).backward()  # type: ignore[no-untyped-call]
    assert pair[0].grad is not None
    return found


def test_a_meter_says_what_gradient_ratios_says() -> None:
    augself, pair = made(), features()
    meter = RatioMeter(augself, every=1)
    out = augself(*pair, RECORD1, RECORD2)
    losses = {**out.terms, "total": out.total}
    expected = gradient_ratios(base_of(pair), losses, pair)
    state = torch.get_rng_state()
    assert meter.measure(base_of(pair)) == pytest.approx(expected)
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in [*augself.parameters(), *pair])


@pytest.mark.parametrize("lists", [False, True])
def test_the_sum_of_losses_does_too(lists: bool) -> None:
    augself, pair = made(), features()
    meter = RatioMeter(augself, every=1)
    records = [RECORD1, RECORD2]
    given = (pair, records) if lists else (*pair, *records)
    out = augself(*given, pairs="first", types=["flip"])
    expected = gradient_ratios(base_of(pair), out.terms, pair)
    found = meter.measure_within(base_of(pair) + out.total)
    assert found is not None
    assert found["flip"] == pytest.approx(expected["flip"], rel=1e-4)


def test_a_measurement_every_so_many_steps() -> None:
    augself = made()
    meter = RatioMeter(augself, every=3)
    found = [step(augself, meter) is not None for _ in range(7)]
    assert found == [True, False, False, True, False, False, True]
    meter.close()
    assert not augself._forward_hooks


def test_the_share_is_kept_from_the_next_step_on() -> None:
    augself = made()
    share = GradientShare(augself, {"flip": 0.5}, every=1, smoothing=0.0)
    ratios = step(augself, share)
    assert ratios is not None
    assert augself.weights == TYPES, "the step that is measured keeps its λ"
    pair = features()
    out = augself(*pair, RECORD1, RECORD2)
    assert augself.weights == pytest.approx({"flip": 0.5 / ratios["flip"], "grayscale": 2.0})
    weighted = {"flip": augself.weights["flip"] * out.terms["flip"]}
    assert gradient_ratios(base_of(pair), weighted, pair)["flip"] == pytest.approx(0.5, rel=1e-4)


def test_the_average_is_geometric_and_lambda_has_limits() -> None:
    augself = made()
    share = GradientShare(augself, 0.5, every=1, smoothing=0.5, limits=(0.2, 0.9))
    first, second = step(augself, share, 1), step(augself, share, 2)
    assert first is not None
    assert second is not None
    augself(*features(), RECORD1, RECORD2)
    for name in TYPES:
        wanted = 0.5 / (first[name] * second[name]) ** 0.5
        assert augself.weights[name] == pytest.approx(min(0.9, max(0.2, wanted)))


def test_a_silent_type_stays_silent() -> None:
    augself = made(grayscale=0.0)
    share = GradientShare(augself, 0.5, every=1)
    for _ in range(2):
        step(augself, share)
    assert augself.weights["grayscale"] == 0
    assert augself.weights["flip"] != 1


def test_a_resumed_run_goes_on_with_the_same_weights() -> None:
    whole = made()
    share = GradientShare(whole, 0.5, every=2)
    for seed in range(3):
        step(whole, share, seed)
    resumed = made()
    resumed.load_state_dict(whole.state_dict())
    other = GradientShare(resumed, 0.5, every=2)
    other.load_state_dict(share.state_dict())
    for seed in range(3, 6):
        assert step(whole, share, seed) == step(resumed, other, seed)
        assert whole.weights == resumed.weights


def test_what_is_not_finite_changes_nothing() -> None:
    augself = made()
    share = GradientShare(augself, 0.5, every=1)
    pair = features()
    augself(*pair, RECORD1, RECORD2)
    share.measure(base_of(pair) * float("nan"))
    augself(*pair, RECORD1, RECORD2)
    assert (augself.weights, share.skipped) == (TYPES, 1)


def test_a_loss_is_copied_while_it_is_watched() -> None:
    augself, pair = made(), features()
    share = GradientShare(augself, 0.5, every=1)
    augself(*[2 * f for f in pair], RECORD1, RECORD2)
    assert copy.deepcopy(augself).weights == TYPES
    assert share.measure(base_of(pair)) is not None


@pytest.mark.parametrize("way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("between", [False, True])
def test_a_copy_trains_without_a_word(way: Any, between: bool) -> None:
    augself = made()
    share = GradientShare(augself, 0.5, every=2)
    step(augself, share)
    if between:
        augself(*features(), RECORD1, RECORD2)
        augself(*features(), RECORD1, RECORD2)  # waits for its measurement
    twin = way(augself)
    for _ in range(5):
        twin(*features(), RECORD1, RECORD2).total.backward()
    both = way((augself, share))
    found = [step(*both) is not None for _ in range(4)]
    assert found in ([True, False] * 2, [False, True] * 2)
    step(*both)
    both[0](*features(), RECORD1, RECORD2)
    both[0](*features(), RECORD1, RECORD2)
    with pytest.raises(LossError, match="measure"):
        both[0](*features(), RECORD1, RECORD2)


def test_steps_without_gradients_are_not_measured() -> None:
    augself = made()
    meter = RatioMeter(augself, every=1)
    augself.eval()
    augself(*features(), RECORD1, RECORD2)
    augself.train()
    with torch.no_grad():
        augself(*features(), RECORD1, RECORD2)
    with pytest.raises(LossError, match=r"expected a training step .* before measure, found none"):
        meter.measure(base_of(features()))


def test_what_would_never_work_is_refused() -> None:
    augself, pair = made(), features()
    meter = RatioMeter(augself, every=1)
    augself(*pair, RECORD1, RECORD2)
    with pytest.raises(LossError, match=r"expected measure\(base\) in every step"):
        augself(*pair, RECORD1, RECORD2)
    meter.close()
    meter = RatioMeter(augself, every=1)
    augself(*[f.detach() for f in pair], RECORD1, RECORD2)
    with pytest.raises(FeatureError, match="features with a gradient, found none"):
        meter.measure(base_of(pair))
    augself(*pair, RECORD1, RECORD2)
    with pytest.raises(LossError, match="with a gradient, found a tensor without"):
        meter.measure(base_of(pair).detach())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"share": 0.0}, "share of 'flip' as a number above 0, found 0.0"),
        ({"share": {"crop": 1.0}}, "types expected a list of names from"),
        ({"share": {}}, "types expected a list of names from"),
        ({"every": 0}, "every expected an integer >= 1"),
        ({"smoothing": 1.0}, "smoothing as 0 to below 1"),
        ({"limits": (0.0, 1.0)}, "limits as 0 < smallest"),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments: dict[str, Any], said: str) -> None:
    augself = made()
    with pytest.raises(LossError, match=said):
        GradientShare(augself, **arguments)
    assert not augself._forward_hooks
    with pytest.raises(LossError, match="expected an AugSelfLoss, found Linear"):
        RatioMeter(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
