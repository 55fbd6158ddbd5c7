"""What the loss keeps, hands out and compiles to: state, predictions, optimizers, torch.compile."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, LossError, Record

WEIGHTS = {"crop": 1.0, "color": 0.5, "flip": 0.25, "rotation": 2.0}
BATCH, DIM = 6, 8


def build(seed: int = 0, **options: Any) -> AugSelfLoss:
    torch.manual_seed(seed)
    return AugSelfLoss(DIM, WEIGHTS, hidden_dim=16, **options)


def features(views: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(BATCH, DIM, generator=generator).requires_grad_() for _ in range(views)]


@pytest.fixture
def records(make_record: Callable[..., Record]) -> list[Record]:
    return [make_record(build().encoders.values(), BATCH, seed) for seed in range(2)]


def saved(augself: AugSelfLoss) -> AugSelfLoss:
    file = io.BytesIO()
    torch.save(augself.state_dict(), file)
    file.seek(0)
    other = build(seed=1)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def pickled(augself: AugSelfLoss) -> AugSelfLoss:
    file = io.BytesIO()
    torch.save(augself, file)
    file.seek(0)
    other: AugSelfLoss = torch.load(file, weights_only=False)
    return other


@pytest.mark.parametrize("copied", [saved, copy.deepcopy, pickled])
def test_copies_go_on_alike(
    records: list[Record], copied: Callable[[AugSelfLoss], AugSelfLoss]
) -> None:
    augself = build()
    augself.set_weights({"crop": 0.125})
    augself(features(), records)  # moves the running means
    twin = copied(augself)
    assert twin.weights == augself.weights
    for mode in (True, False):
        one, two = (a.train(mode)(features(), records) for a in (augself, twin))
        assert one.total.equal(two.total)
    twin.set_weights({"crop": 7.0})
    assert augself.weights["crop"] == 0.125


def test_state_has_the_released_codes_keys() -> None:
    keys = list(build().state_dict())
    assert keys[0] == "heads.crop.0.weight"
    assert keys[-5] == "heads.color.6.bias"
    assert keys[-4:] == ["lambdas.crop", "lambdas.flip", "lambdas.rotation", "lambdas.color"]
    assert {name.split(".")[0] for name, _ in build().named_parameters()} == {"heads"}


def test_adding_the_loss_leaves_the_hosts_randomness_alone() -> None:
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    AugSelfLoss(DIM, WEIGHTS, hidden_dim=16)
    assert torch.randn(4).equal(expected)


def test_predictions_are_in_the_targets_units(records: list[Record]) -> None:
    augself = build().eval()
    one, two = features()
    predictions = augself.predict(one, two)
    raw = augself.heads([one, two], [(0, 1)])
    assert predictions["crop"].equal(torch.tanh(raw["crop"]))
    assert predictions["flip"].equal(torch.sigmoid(raw["flip"]))
    assert predictions["rotation"].equal(raw["rotation"].softmax(-1))
    assert {n: tuple(p.shape) for n, p in predictions.items()} == {
        "crop": (BATCH, 4), "flip": (BATCH, 1), "rotation": (BATCH, 4), "color": (BATCH, 4),
    }  # fmt: skip
    target = augself.encoders["flip"].difference(*records)
    asymmetric = build(symmetric=False).eval()([one, two], records)
    expected = nn.functional.binary_cross_entropy(predictions["flip"], target)
    torch.testing.assert_close(asymmetric.terms["flip"], expected)


def test_predictions_pool_and_cast_too() -> None:
    maps = torch.randn(BATCH, DIM, 2, 3, dtype=torch.bfloat16)
    augself = build(pool="mean").eval()
    assert augself.predict(maps, maps)["crop"].shape == (BATCH, 4)


def test_check_optimizer() -> None:
    model, augself = nn.Linear(3, DIM), build()
    forgetful = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = (
        r"all parameters of AugSelf's heads, found 32 missing \(first: heads.crop.0.weight; it "
        r"holds 2\).*add_param_group"
    )
    with pytest.raises(LossError, match=expected):
        augself.check_optimizer(forgetful)
    with pytest.raises(LossError, match=r"it holds 0\)"):
        augself.check_optimizer()
    own = torch.optim.SGD(augself.parameters(), lr=0.1)
    augself.check_optimizer(forgetful, own)
    forgetful.add_param_group({"params": augself.parameters()})
    augself.check_optimizer(forgetful)


@pytest.mark.parametrize("wrong", [None, "sgd", [], nn.Linear(2, 2)])
def test_check_optimizer_refuses_what_is_none(wrong: Any) -> None:
    with pytest.raises(LossError, match="check_optimizer expected optimizers, found"):
        build().check_optimizer(wrong)


def test_values_are_looked_at_when_asked(records: list[Record]) -> None:
    wrong = [torch.full((BATCH, DIM), float("nan"))] * 2
    first = build(check_values="first")
    first(features(), records)
    assert first(wrong, records).total.isnan()
    assert build(check_values="never")(wrong, records).total.isnan()


def test_on_the_meta_device(records: list[Record]) -> None:
    one, two = ({k: e.to("meta") for k, e in record.items()} for record in records)
    views = [view.to("meta") for view in features()]
    assert build().to("meta")(views, [one, two]).total.is_meta


class Backend:
    """Counts how often a graph is compiled, and runs it by ahead-of-time autograd."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.graphs += 1
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)


def test_compiles_to_one_graph(records: list[Record]) -> None:
    torch._dynamo.reset()
    eager, augself, backend = build(), build(), Backend()
    compiled = torch.compile(augself, fullgraph=True, backend=backend)
    for weight in (1.0, 0.5, 0.0):
        views, expected_views = features(), features()
        eager.set_weights({"crop": weight})
        augself.set_weights({"crop": weight})
        out, expected = compiled(views, records), eager(expected_views, records)
        out.total.backward()
        expected.total.backward()
        torch.testing.assert_close(out, expected)
        for view, expected_view in zip(views, expected_views, strict=True):
            torch.testing.assert_close(view.grad, expected_view.grad)
    for one, two in zip(augself.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)
    assert backend.graphs == 1


@pytest.mark.slow
def test_compiles_under_autocast_with_some_types(records: list[Record]) -> None:
    torch._dynamo.reset()
    augself = build(detach_second=True, symmetric=False)
    compiled = torch.compile(augself, fullgraph=True, backend=Backend())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = compiled(*features(), *records, types=["crop", "flip"])
    assert out.total.dtype == torch.float32
    assert set(out.terms) == {"crop", "flip"}
