"""STL's terms, against its released code's numbers; and what a low rank spares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import FeatureError, RecordError
from augself_loss.objectives import STL, mlp

Cases = Callable[[str], Any]


@pytest.mark.parametrize("name", ["stl_case0", "stl_case2"])
def test_terms_and_gradients(case: Cases, name: str) -> None:
    golden = case(name)
    term = STL(16, hidden_dim=14, embedding_dim=10, transformation_dim=6)
    term.encode, term.transformation_mlp = mlp([32, 12, 6]), mlp([6, 7, 5])
    for role, network in (
        ("transformation_encoder", term.encode),
        ("hypernetwork", term.make),
        ("equivariance_projector", term.equivariance_mlp),
        ("transformation_projector", term.transformation_mlp),
    ):
        golden.load(role, network)
    for which in ("equivariance", "transformation"):
        one, two = (golden.features(f"features{i}") for i in (1, 2))
        terms = term.terms([one, two], [])
        torch.testing.assert_close(
            terms[which].detach(), golden[f"f64.loss.{which}"], atol=1e-9, rtol=0
        )
        terms[which].backward()
        for i, feature in ((1, one), (2, two)):
            expected = golden[f"f64.{which}_grad{i}"]
            torch.testing.assert_close(feature.grad, expected, atol=1e-9, rtol=0)
    made = term.predict(golden["features1"], golden["features2"])
    for key, found in (("transformation12", made.forth), ("transformation21", made.back),
                       ("predicted1", made.first), ("predicted2", made.second)):  # fmt: skip
        torch.testing.assert_close(found.detach(), golden[f"f64.{key}"], atol=1e-9, rtol=0)


def test_a_low_rank_has_few_weights_and_begins_at_the_identity() -> None:
    full, low = STL(64, transformation_dim=16), STL(64, transformation_dim=16, rank=4)
    assert full.make.weight.numel() == 64 * 64 * 16
    assert low.make.weight.numel() == 2 * 64 * 4 * 16
    one, two = torch.randn(2, 6, 64)
    torch.nn.init.zeros_(low.make.weight)
    assert torch.equal(low.predict(one, two).second, one)
    low([one, two]).total.backward()


@pytest.mark.parametrize(
    ("silent", "unused"),
    [
        ("equivariance", ("make", "equivariance_mlp")),
        ("transformation", ("transformation_mlp",)),
    ],
)
def test_of_a_term_of_weight_0_nothing_is_computed(silent: str, unused: tuple[str, ...]) -> None:
    stl = STL(8, hidden_dim=8, embedding_dim=4, transformation_dim=4)
    views = [torch.randn(6, 8, requires_grad=True) for _ in range(2)]
    expected = stl(views, []).terms
    stl.set_weights({silent: 0.0})
    called: list[str] = []
    for name, network in stl.named_children():
        network.register_forward_pre_hook(lambda *_, name=name: called.append(name))
    out = stl(views, [])
    assert set(called) == {"encode", "make", "equivariance_mlp", "transformation_mlp"} - {*unused}
    (heard,) = expected.keys() - {silent}
    assert out.terms[heard].equal(expected[heard])
    assert float(out.terms[silent].detach()) == 0
    out.total.backward()
    for name, network in stl.named_children():
        gradients = [p.grad for p in network.parameters()]
        assert all(g is not None and bool(g.any()) == (name not in unused) for g in gradients)
    assert all(view.grad is not None and bool(view.grad.any()) for view in views)


@pytest.mark.parametrize("shape", [(3, 8), (1, 8)])
def test_what_has_no_partners_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureError, match="partners next to each other and B even"):
        STL(8)([torch.zeros(shape), torch.zeros(shape)])


def test_partners_with_draws_of_their_own_are_refused() -> None:
    stl = STL(8, hidden_dim=8, embedding_dim=4, transformation_dim=4)
    views = [torch.randn(4, 8), torch.randn(4, 8)]
    own = {"crop": torch.rand(4, 4), "flip": torch.zeros(4, 1)}
    shared = {**own, "crop": own["crop"][0::2].repeat_interleave(2, dim=0)}
    with pytest.raises(RecordError, match="2k and 2k \\+ 1 to share 'crop'"):
        stl(views, [shared, own])
    stl(views, [shared, shared])
    with pytest.raises(FeatureError, match="two views, found 3"):
        stl([*views, views[0]], [shared] * 3)


def test_records_that_cannot_show_partners_are_refused() -> None:
    views, record = [torch.randn(4, 8), torch.randn(4, 8)], {"flip": torch.zeros(4, 1)}
    with pytest.raises(RecordError, match=r"what partners share, .* found \['flip'\].*shared="):
        STL(8)(views, [record, record])
    for shared in (["flip"], ()):
        STL(8, shared=shared)(views, [record, record])
    STL(8)(views)  # without records it is the user's word
