"""What every objective keeps, whatever it computes."""

from __future__ import annotations

import copy
import io
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from objective_cases import KINDS, LEARNING, Case, build
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from augself_loss import AugSelfLoss, LossError
from augself_loss.objectives import CARE, ConditionedProjector, Objective, Objectives

OBJECTIVES = [kind for kind in KINDS if kind != "cassle"]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def compiled() -> Iterator[Callable[[Any], Any]]:
    """Compile a module whole, into one graph; those of other tests are dropped."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    yield lambda module: torch.compile(module, fullgraph=True, backend=counter)
    assert counter.frame_count == 1
    torch.compiler.reset()


def gradients(case: Case, total: Tensor) -> list[Tensor | None]:
    return list(torch.autograd.grad(total, case.learns(), allow_unused=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_is_near_float32(kind: str, dtype: torch.dtype) -> None:
    case = build(kind)
    expected = case.total()
    with torch.autocast("cpu", dtype=dtype):
        total = case.total()
    assert total.dtype == torch.float32 or kind == "cassle"
    torch.testing.assert_close(total.float(), expected, rtol=0.05, atol=0.02)
    total.float().backward()
    assert all(bool(p.grad.isfinite().all()) for p in case.learns() if p.grad is not None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_compiled_is_eager(kind: str, compiled: Callable[[Any], Any]) -> None:
    case = build(kind)
    case.total()  # looks at the first batch
    expected = case.total()
    wanted = gradients(case, expected)
    total = case.total(compiled(case.module))
    torch.testing.assert_close(total, expected)
    for found, known in zip(gradients(case, total), wanted, strict=True):
        torch.testing.assert_close(found, known, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.slow
def test_compiled_follows_its_weights(kind: str, compiled: Callable[[Any], Any]) -> None:
    case = build(kind)
    module = compiled(case.module)
    before = case.total(module)
    case.module.set_weights({name: 2 * w for name, w in case.module.weights.items()})
    torch.testing.assert_close(case.total(module), 2 * before)
    case.module.set_weights(dict.fromkeys(case.module.weights, 0.0))
    total = case.total(module)
    assert float(total.detach()) == 0
    assert not any(g.any() for g in gradients(case, total) if g is not None)


def saved(case: Case) -> Any:
    file = io.BytesIO()
    torch.save(case.module.state_dict(), file)
    file.seek(0)
    other = build(case.kind, seed=1).module
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def pickled(case: Case) -> Any:
    return pickle.loads(pickle.dumps(case.module))


def copied(case: Case) -> Any:
    return copy.deepcopy(case.module)


@pytest.mark.parametrize("way", [saved, pickled, copied])
@pytest.mark.parametrize("kind", KINDS)
def test_copies_go_on_alike(kind: str, way: Callable[[Case], Any]) -> None:
    case = build(kind)
    case.total()  # moves the running means
    if isinstance(case.module, Objective):
        case.module.set_weights({next(iter(case.module.weights)): 0.125})
    twin = way(case)
    for mode in (True, False):
        twin.train(mode)
        case.module.train(mode)
        assert case.total(twin).equal(case.total())
    if isinstance(case.module, Objective):
        assert twin.weights == case.module.weights
        twin.set_weights(dict.fromkeys(twin.weights, 7.0))
        assert 7.0 not in case.module.weights.values()


@pytest.mark.parametrize("kind", [kind for kind in LEARNING if kind != "cassle"])
def test_forgotten_networks_are_refused(kind: str) -> None:
    module = build(kind).module
    module.check_optimizer(torch.optim.SGD(module.parameters(), lr=0.1))
    other = torch.nn.Linear(2, 2)
    with pytest.raises(LossError, match="They would never learn"):
        module.check_optimizer(torch.optim.SGD(other.parameters(), lr=0.1))
    some = [other.weight, *list(module.parameters())[1:]]
    with pytest.raises(LossError, match="found 1 missing"):
        module.check_optimizer(torch.optim.SGD(some, lr=0.1))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_weights(kind: str) -> None:
    case = build(kind)
    terms = case.output().terms
    assert terms.keys() == case.module.weights.keys()
    for name in terms:
        case.module.set_weights({**dict.fromkeys(terms, 0.0), name: 3.0})
        again = case.output()
        torch.testing.assert_close(again.total, 3 * again.terms[name])
        torch.testing.assert_close(again.terms[name], terms[name])
    for wrong in ({"other": 1.0}, {name: -1.0}, {}):
        with pytest.raises(LossError, match=r"weights? "):
            case.module.set_weights(wrong)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_term_of_weight_0_adds_exactly_nothing(kind: str) -> None:
    case = build(kind)
    for name in case.module.weights:
        before = case.module.weights[name]
        case.module.set_weights({name: 0.0})
        others = [w for w in case.module.weights.values() if w]
        total = case.total()
        expected = sum(case.module.weights[n] * t for n, t in case.output().terms.items())
        torch.testing.assert_close(total, torch.as_tensor(expected))
        if not others:
            total.requires_grad_().backward()  # there may be no networks
            assert all(p.grad is not None and not p.grad.any() for p in case.module.parameters())
        case.module.set_weights({name: before})


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_with_all_weights_0_nothing_is_computed(kind: str) -> None:
    case = build(kind)
    case.module.set_weights(dict.fromkeys(case.module.weights, 0.0))
    state = {name: value.clone() for name, value in case.module.state_dict().items()}
    assert case.module.silent
    out = case.module([Tensor()], [{}])  # looks at nothing, not even for a third view
    assert float(out.total.detach()) == 0
    assert set(out.terms) == set(case.module.weights)
    out.total.requires_grad_().backward()
    assert all(p.grad is not None and not p.grad.any() for p in case.module.parameters())
    assert all(value.equal(state[n]) for n, value in case.module.state_dict().items())


def test_a_silent_objective_without_networks_is_where_features_are() -> None:
    features = [torch.randn(4, 6, device="meta") for _ in range(2)]
    silent = CARE(weight=0.0)
    assert silent(features, []).total.device.type == "meta"
    assert silent(third=features[0]).total.device.type == "meta"
    beside = Objectives({"care": silent, "augself": AugSelfLoss(6, {"flip": 1.0}).to("meta")})
    records = [{"flip": torch.zeros(4, 1, device="meta")}] * 2
    assert beside(features, records).total.device.type == "meta"


def draws() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), kind, np.asarray(keys).tolist(), rest, random.getstate()


@pytest.mark.parametrize("kind", KINDS)
def test_the_hosts_draws_stay_what_they_were(kind: str) -> None:
    case, before = build(kind), draws()
    case.total().backward()
    if isinstance(case.module, Objective):
        build(kind, seed=None)
    assert draws() == before


class Two(Objective):
    """Returns what it was built with, scaled by a weight of its own."""

    def __init__(self, **terms: float) -> None:
        super().__init__({"a": 1.0, "b": 0.001})
        self.given = terms
        self.scale = torch.nn.Parameter(torch.ones(()))

    def terms(self, *_: Any) -> dict[str, Tensor]:
        return {name: self.scale * value for name, value in self.given.items()}


def test_terms_find_their_weights_by_name() -> None:
    features = [torch.randn(4, 3)] * 2
    out = Two(b=100.0, a=1.0)(features, [{}, {}])
    assert float(out.total.detach()) == pytest.approx(1.0 * 1 + 0.001 * 100)
    assert list(out.terms) == ["a", "b"]
    for wrong in ({"a": 1.0}, {"a": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}):
        with pytest.raises(LossError, match=r"Two expected terms\(\) to return \['a', 'b'\]"):
            Two(**wrong)(features, [{}, {}])


SILENCED = {
    "equimod": {"equimod": "predict"}, "essl": {"essl": "head"},
    "stl": {"equivariance": "equivariance_mlp", "transformation": "transformation_mlp"},
}  # fmt: skip
"""Objective → term → a network that only this term needs."""


@pytest.mark.parametrize(
    ("kind", "term", "all_silent"),
    [(kind, term, every) for kind, of in SILENCED.items() for term in of for every in (0, 1)],
)
@pytest.mark.parametrize("compiles", [False, True])
@pytest.mark.slow
def test_nan_of_a_silent_term_stays_in_it(
    kind: str, term: str, all_silent: bool, compiles: bool
) -> None:
    case = build(kind)
    case.total()  # looks at the first batch
    case.module.set_weights(dict.fromkeys(case.module.weights, 0.0) if all_silent else {term: 0.0})
    broken = [case.module] if all_silent else [getattr(case.module, SILENCED[kind][term])]
    with torch.no_grad():
        for parameter in (p for network in broken for p in network.parameters()):
            parameter.fill_(float("nan"))
    torch.compiler.reset()
    module = torch.compile(case.module, backend="eager") if compiles else case.module
    total = case.total(module)
    assert bool(total.isfinite())
    given = [one for one in case.learns() if not isinstance(one, torch.nn.Parameter)]
    found = torch.autograd.grad(total, given, allow_unused=True)
    assert all(bool(grad.isfinite().all()) for grad in found if grad is not None)


def test_a_projector_is_no_term() -> None:
    assert isinstance(build("cassle").module, ConditionedProjector)
    assert not isinstance(build("cassle").module, Objective)
