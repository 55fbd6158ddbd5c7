"""Heads that something was done to give what calling them gives, on both paths."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from augself_loss import AugSelfLoss, LossError
from augself_loss import heads as heads_module
from augself_loss.heads import Heads
from augself_loss.untouched import all_as_built, first_as_built

Change: TypeAlias = Callable[[Heads], Any]
DIM, HIDDEN, BATCH = 6, 8, 5
WIDTHS = {"crop": 4, "flip": 1, "blur": 1}
PAIRS = {"two views": [(0, 1), (1, 0)], "four views": [(i, j) for i in range(4) for j in range(i)]}


def built() -> Heads:
    torch.manual_seed(0)
    return Heads(DIM, WIDTHS, HIDDEN)


def features(count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(BATCH, DIM, generator=generator).requires_grad_() for _ in range(count)]


@pytest.fixture(params=[False, True], ids=["separate", "grouped"], autouse=True)
def _path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads_module, "launches_cost", lambda _: request.param)


def all_heads(change: Callable[[Any], Any]) -> Change:
    def act(heads: Heads) -> None:
        for name in WIDTHS:
            changed = change(heads[name])
            if isinstance(changed, nn.Module):
                heads[name] = changed

    return act


def put(place: int, make: Callable[[], nn.Module]) -> Change:
    def act(head: Any) -> None:
        head[place] = make()

    return all_heads(act)


class Doubled(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)  # type: ignore[no-any-return]


def forward_replaced(head: Any) -> None:
    layer = head[3]
    plain = layer.forward
    layer.forward = lambda x: plain(x) + 1


def scaled(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
    return 3 * output


def scaled_input(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
    return (3 * args[0],)


def scaled_gradient(_module: nn.Module, gradients: Any, _out: Any = None) -> Any:
    return tuple(None if g is None else 3 * g for g in gradients)


CHANGES: dict[str, Change] = {
    "as built": lambda _: None,
    "forward hook on the head": all_heads(lambda h: h.register_forward_hook(scaled) and None),
    **{
        f"forward hook on layer {i}": all_heads(
            lambda h, i=i: h[i].register_forward_hook(scaled) and None
        )
        for i in range(7)
    },
    **{
        f"forward pre-hook on layer {i}": all_heads(
            lambda h, i=i: h[i].register_forward_pre_hook(scaled_input) and None
        )
        for i in (0, 1, 6)
    },
    **{
        f"full backward hook on layer {i}": all_heads(
            lambda h, i=i: h[i].register_full_backward_hook(scaled_gradient) and None
        )
        for i in (0, 3, 6)
    },
    "full backward pre-hook": all_heads(
        lambda h: h[6].register_full_backward_pre_hook(scaled_gradient) and None
    ),
    "full backward hook on the head": all_heads(
        lambda h: h.register_full_backward_hook(scaled_gradient) and None
    ),
    "spectral norm": all_heads(lambda h: parametrizations.spectral_norm(h[0]) and None),
    "spectral norm, old": all_heads(lambda h: spectral_norm(h[0]) and None),
    "spectral norm, old, layer 3": all_heads(lambda h: spectral_norm(h[3]) and None),
    "weight norm": all_heads(lambda h: parametrizations.weight_norm(h[6]) and None),
    "weight norm, old": all_heads(lambda h: weight_norm(h[0]) and None),
    "pruned": all_heads(lambda h: prune.l1_unstructured(h[0], "weight", amount=0.5) and None),
    "pruned, layer 3": all_heads(lambda h: prune.ln_structured(h[3], "weight", 0.5, 2, 0) and None),
    "GELU": put(2, nn.GELU),
    "LeakyReLU": put(5, nn.LeakyReLU),
    "ReLU6": put(2, nn.ReLU6),
    "identity norm": put(1, nn.Identity),
    "norm without parameters": put(1, lambda: nn.BatchNorm1d(HIDDEN, affine=False)),
    "norm without averages": put(4, lambda: nn.BatchNorm1d(HIDDEN, track_running_stats=False)),
    "layer norm": put(1, lambda: nn.LayerNorm(HIDDEN)),
    "first layer with bias": put(0, lambda: nn.Linear(2 * DIM, HIDDEN)),
    "second layer with bias": put(3, lambda: nn.Linear(HIDDEN, HIDDEN)),
    "last layer without": put(6, lambda: nn.Linear(HIDDEN, 1, bias=False)),
    "one layer more": all_heads(lambda h: h.append(nn.Tanh()) and None),
    "a layer put in": all_heads(lambda h: h.insert(2, nn.Tanh()) and None),
    "subclass": all_heads(lambda h: Doubled(*h)),
    "forward replaced": all_heads(forward_replaced),
    "frozen first layer": all_heads(lambda h: h[0].requires_grad_(False) and None),
    "frozen norm": all_heads(lambda h: h[1].eval() and None),
    "one head frozen": lambda heads: heads["flip"].requires_grad_(False) and None,
    "one head changed": lambda heads: heads["flip"][2].register_forward_hook(scaled) and None,
    "one head of another hidden width": lambda heads: heads.update(
        {"flip": heads_module.mlp(DIM, 2 * HIDDEN, 1)}
    ),
    "own module": lambda heads: heads.update({"flip": nn.Linear(2 * DIM, 1)}),
}
LASTS = {"last layer without": dict.fromkeys(WIDTHS, 1)}


def given(change: Change, name: str) -> tuple[Heads, Heads]:
    """Make two equal pairs of heads, changed alike."""
    pair = []
    for _ in range(2):
        heads = built()
        torch.manual_seed(2)
        change(heads)
        heads._widths.update(LASTS.get(name, {}))
        pair.append(heads)
    return pair[0], pair[1]


def called(heads: Heads, views: list[Tensor], pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """Call every head on the concatenated pairs; out of place, which torch asks of hooks."""
    for module in heads.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    both = torch.cat([torch.cat([views[i], views[j]], dim=-1) for i, j in pairs])
    return {name: heads[name](both) for name in WIDTHS}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("pairs", PAIRS.values(), ids=list(PAIRS))
@pytest.mark.parametrize("name", CHANGES)
def test_it_is_what_calling_the_heads_gives(name: str, pairs: list[tuple[int, int]]) -> None:
    ours, theirs = given(CHANGES[name], name)
    views, same = features(), features()
    for _ in range(2):  # power iterations and averages move
        found, expected = ours(views, pairs), called(theirs, same, pairs)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5)
    for outputs in (found, expected):
        sum(out.square().sum() for out in outputs.values()).backward()  # type: ignore[union-attr]
    for view, other in zip(views, same, strict=True):
        torch.testing.assert_close(view.grad, other.grad, rtol=1e-3, atol=1e-4)
    for key, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, theirs.get_parameter(key).grad, rtol=1e-3, atol=1e-4
        )
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[key], rtol=1e-4, atol=1e-5)


def test_hooks_of_all_modules_see_every_layer() -> None:
    heads, seen = built(), set[nn.Module]()
    handle = register_module_forward_hook(lambda module, *_: seen.add(module) and None)
    try:
        heads(features(), [(0, 1)])
    finally:
        handle.remove()
    assert seen >= set(heads.modules())


def test_a_logger_sees_what_a_norm_gave_not_what_relu_wrote_over_it() -> None:
    heads, kept = built(), list[Tensor]()
    heads["crop"][1].register_forward_hook(lambda _m, _a, out: kept.append(out))
    heads(features(), [(0, 1)])
    assert (kept[0] < 0).any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_head_of_another_dtype(dtype: torch.dtype) -> None:
    heads, twin = built(), built()
    heads["flip"].to(dtype)
    twin["flip"].to(dtype)
    views = features()
    found = heads(views, [(0, 1)])
    both = torch.cat(views[:2], dim=-1)
    assert found["flip"].dtype == dtype
    torch.testing.assert_close(found["flip"], twin["flip"](both.to(dtype)))
    torch.testing.assert_close(found["crop"], twin["crop"](both), rtol=1e-4, atol=1e-5)


def test_a_head_of_another_width_is_refused() -> None:
    heads = built()
    heads["crop"] = nn.Linear(2 * DIM, 1)  # would broadcast against (rows, 4)
    with pytest.raises(LossError, match=r"head of 'crop' to return \(5, 4\), found \(5, 1\)"):
        heads(features(), [(0, 1)])
    heads["crop"] = nn.LSTM(2 * DIM, 4)
    with pytest.raises(LossError, match=r"found tuple"):
        heads(features(), [(0, 1)])


def replica(module: nn.Module) -> nn.Module:
    """Make what DataParallel runs: parameters and buffers are attributes, the lists are empty."""
    twin = module._replicate_for_data_parallel()  # type: ignore[operator]
    for key, p in module._parameters.items():
        if p is None:
            twin._parameters[key] = None
        else:
            setattr(twin, key, p.detach().clone().requires_grad_())
    for key, b in module._buffers.items():
        twin._buffers[key] = None if b is None else b.clone()
    for key, child in module._modules.items():
        assert child is not None
        twin._modules[key] = replica(child)
    return twin  # type: ignore[no-any-return]


def test_replicas_of_data_parallel() -> None:
    torch.manual_seed(0)
    augself = AugSelfLoss(DIM, {"flip": 1.0, "crop": 0.0}, hidden_dim=HIDDEN)
    record = {"flip": torch.zeros(BATCH, 1), "crop": torch.ones(BATCH, 4) / 2}
    twin = copy.deepcopy(augself)
    views, same = features(2), features(2)
    out, expected = replica(augself)(views, [record] * 2), twin(same, [record] * 2)
    assert not list(replica(augself).parameters())
    torch.testing.assert_close(out, expected)
    for total in (out.total, expected.total):
        total.backward()
    for view, other in zip(views, same, strict=True):
        torch.testing.assert_close(view.grad, other.grad)
    double = replica(augself.double())
    assert double(views, [record] * 2).total.dtype == torch.float64


def test_what_is_as_built() -> None:
    heads = built()
    assert all(all_as_built(head) and first_as_built(head) for head in heads.values())
    assert all(all_as_built(head) for head in copy.deepcopy(heads).values())
    handle = heads["crop"][3].register_forward_hook(scaled)
    assert not all_as_built(heads["crop"])
    assert first_as_built(heads["crop"])
    handle.remove()
    assert all_as_built(heads["crop"])
    heads["crop"].compile(backend="eager")
    assert not first_as_built(heads["crop"])
