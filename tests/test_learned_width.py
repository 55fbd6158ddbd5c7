"""A loss that was built without ``feature_dim`` learns it from the first features."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, FeatureError, Record

WEIGHTS = {"crop": 1.0, "flip": 0.5}
BATCH, DIM = 6, 8
Records = list[Record]


def build(feature_dim: int | None = None, **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(feature_dim, WEIGHTS, hidden_dim=16, **options)


def features(width: int = DIM, *places: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(BATCH, width, *places, generator=generator) for _ in range(2)]


@pytest.fixture
def records(make_record: Callable[..., Record]) -> Records:
    return [make_record(build().encoders.values(), BATCH, seed) for seed in range(2)]


def test_the_first_features_give_the_width(records: Records) -> None:
    augself = build()
    assert augself.feature_dim is None
    out = augself(features(), records)
    assert augself.feature_dim == DIM
    assert augself.heads["crop"][0].weight.shape == (16, 2 * DIM)
    assert type(augself.heads["crop"][0]) is nn.Linear
    assert torch.isfinite(out.total)
    with pytest.raises(FeatureError, match="expected width 8"):
        augself(features(width=7), records)


@pytest.mark.parametrize(
    ("pool", "given"),
    [
        (None, features(DIM, 1, 1)),
        ("mean", features(DIM, 3, 4)),
        ("mean", [f.transpose(1, 2) for f in features(DIM, 5)]),
        ("cls", [f.transpose(1, 2) for f in features(DIM, 5)]),
        ("mean_channels_last", [f.permute(0, 2, 3, 1) for f in features(DIM, 4, 4)]),
    ],
)
def test_pooled_features_give_it_too(pool: Any, given: list[Tensor], records: Records) -> None:
    augself = build(pool=pool)
    augself(given, records)
    assert augself.feature_dim == DIM


def test_the_first_call_may_predict_and_may_be_in_inference_mode(records: Records) -> None:
    augself = build().eval()
    with torch.inference_mode():
        augself.predict(*features())
    augself.train()(features(), records).total.backward()
    assert all(p.grad is not None for p in augself.parameters())


@pytest.mark.parametrize(
    ("given", "pool", "message"),
    [
        (
            [torch.zeros(BATCH, DIM, 3, 3)] * 2,
            None,
            r"expected shape \(B, 8\), found \(6, 8, 3, 3\)",
        ),
        ([torch.zeros(BATCH, 7, 7, 64)] * 2, "mean", "channels seem to come last"),
        ([torch.zeros(BATCH, DIM), torch.zeros(BATCH, 9)], None, "features2 expected width 8"),
        (["one", "two"], None, "expected a tensor"),
        ([torch.zeros(BATCH, DIM).long()] * 2, None, "floating-point"),
    ],
)
def test_nothing_is_learned_from_what_is_refused(
    given: Any, pool: Any, message: str, records: Records
) -> None:
    augself = build(pool=pool)
    with pytest.raises(FeatureError, match=message):
        augself(given, records)
    assert augself.feature_dim is None


def test_weights_do_not_depend_on_when_it_is_learned(records: Records) -> None:
    states = []
    for draws in (0, 5):
        augself = build()
        torch.randn(draws)
        before = torch.get_rng_state()
        augself(features(), records)
        assert torch.equal(before, torch.get_rng_state())
        states.append(augself.heads["flip"][0].weight)
    assert torch.equal(*states)
    bound = (2 * DIM) ** -0.5  # as PyTorch initializes a linear layer
    assert bound * 0.9 < states[0].abs().max() <= bound


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_an_optimizer_may_be_built_before(optimizer: Any, records: Records) -> None:
    augself = build()
    steps = optimizer(augself.parameters(), lr=0.1)
    augself.check_optimizer(steps)
    augself(features(), records).total.backward()
    augself.check_optimizer(steps)
    before = copy.deepcopy(augself.state_dict())
    steps.step()
    assert not torch.equal(before["heads.crop.0.weight"], augself.heads["crop"][0].weight)


def test_a_checkpoint_gives_it(records: Records) -> None:
    trained = build()
    trained(features(), records).total.backward()
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    resumed = build()
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.feature_dim == DIM
    assert torch.equal(
        trained.eval()(features(), records).total, resumed.eval()(features(), records).total
    )


@pytest.mark.parametrize("change", [lambda m: m.double(), copy.deepcopy, lambda m: m.to("cpu")])
def test_it_is_learned_after_a_change_of_the_module(
    change: Callable[[AugSelfLoss], AugSelfLoss], records: Records
) -> None:
    augself = change(build())
    dtype = augself.heads["flip"][6].weight.dtype
    augself(features(), records)
    assert augself.heads["flip"][0].weight.dtype == dtype


def test_released_heads_give_it(records: Records) -> None:
    released = AugSelfLoss(DIM, WEIGHTS, hidden_dim=16).heads["crop"].state_dict()
    augself = build()
    augself.load_released_heads({"crop": released})
    assert augself.feature_dim == DIM
    assert torch.equal(augself.heads["crop"][0].weight, released["0.weight"])
    augself(features(), records)


@pytest.mark.slow
def test_a_compiled_loss_learns_it_in_its_first_call(records: Records) -> None:
    torch._dynamo.reset()
    augself = build()
    compiled = torch.compile(augself, backend="eager")
    given = features()
    first = compiled(given, records).total
    assert augself.feature_dim == DIM
    assert torch.isfinite(first)
    assert torch.isfinite(compiled(given, records).total)
