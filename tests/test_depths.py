"""Features of several depths in one loss: each type reads its own, and it is what it reads."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, FeatureError, LossError, Record, gradient_ratios, with_augself
from augself_loss import heads as module

WEIGHTS = {"crop": 1.0, "flip": 0.5, "color": 2.0}
DIMS = {"early": 4, "middle": 6, "last": 8}
BATCH = 5
View = dict[str, Tensor]


def build(feature_dim: Any = DIMS, **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    options = {"depths": {"crop": "early", "flip": ["middle", "early"]}, **options}
    return AugSelfLoss(feature_dim, WEIGHTS, **{"hidden_dim": 16, **options})


def views(count: int = 2, *, dims: dict[str, int] = DIMS, **places: tuple[int, ...]) -> list[View]:
    generator = torch.Generator().manual_seed(1)
    return [
        {n: torch.randn(BATCH, d, *places.get(n, ()), generator=generator) for n, d in dims.items()}
        for _ in range(count)
    ]


@pytest.fixture
def records(make_record: Callable[..., Record]) -> list[Record]:
    return [make_record(build().encoders.values(), BATCH, seed) for seed in range(3)]


@pytest.fixture(params=[False, True], ids=["one by one", "grouped"])
def grouped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    chosen: bool = request.param
    monkeypatch.setattr(module, "launches_cost", lambda _: chosen)
    return chosen


@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize("options", [{}, {"symmetric": False}, {"detach_second": True}], ids=str)
def test_each_type_is_the_loss_of_what_it_reads(
    records: list[Record], options: dict[str, Any]
) -> None:
    augself, given = build(**options), views(3)
    out = augself(given, records)
    reads = {"crop": ("early",), "flip": ("early", "middle"), "color": ("last",)}
    for name, depths in reads.items():
        alone = AugSelfLoss(
            sum(DIMS[d] for d in depths), {name: WEIGHTS[name]}, hidden_dim=16, **options
        )
        alone.heads[name].load_state_dict(build(**options).heads[name].state_dict())
        own = [torch.cat([view[d] for d in depths], dim=1) for view in given]
        torch.testing.assert_close(out.terms[name], alone(own, records).terms[name])
    weighted = [weight * out.terms[name] for name, weight in WEIGHTS.items()]
    torch.testing.assert_close(out.total, torch.stack(weighted).sum())


@pytest.mark.usefixtures("grouped")
def test_gradients_reach_what_is_read_and_nothing_else(records: list[Record]) -> None:
    given = [{n: f.requires_grad_() for n, f in view.items()} for view in views()]
    augself = build()
    augself(given, records[:2], types=["crop"]).total.backward()
    for view in given:
        assert view["early"].grad is not None
        assert view["early"].grad.abs().sum() > 0
        assert view["last"].grad is None or not view["last"].grad.any()


@pytest.mark.usefixtures("grouped")
def test_a_silent_type_is_silent(records: list[Record]) -> None:
    augself = build()
    augself.set_weights({"crop": 0.0})
    given = [{n: f.requires_grad_() for n, f in view.items()} for view in views()]
    out = augself(given, records[:2])
    out.total.backward()
    assert torch.isfinite(out.terms["crop"])
    assert all(not p.grad.any() for p in augself.heads["crop"].parameters())  # type: ignore[union-attr]
    assert all(p.grad.any() for p in augself.heads["flip"].parameters())  # type: ignore[union-attr]


def test_types_read_the_last_depth_if_nothing_is_said(records: list[Record]) -> None:
    augself = AugSelfLoss({"early": 4, "last": 8}, {"flip": 1.0, "crop": 1.0},
                          depths={"crop": "early"}, hidden_dim=16)  # fmt: skip
    assert augself.heads["flip"][0].in_features == 2 * 8
    assert augself.heads["crop"][0].in_features == 2 * 4
    more = [{**view, "unread": torch.zeros(1)} for view in views()]
    augself(more, records[:2])
    assert augself.depths.reads == {"flip": ("last",), "crop": ("early",)}


def test_two_views_may_be_given_one_by_one(records: list[Record]) -> None:
    one, other = views()
    by_list = build()([one, other], records[:2]).total
    assert torch.equal(by_list, build()(one, other, *records[:2]).total)
    assert build().eval().predict(one, other)["crop"].shape == (BATCH, 4)


def test_widths_are_learned(records: list[Record]) -> None:
    augself = build(dict.fromkeys(DIMS))
    assert augself.feature_dim == dict.fromkeys(DIMS)
    augself(views(3), records)
    assert augself.feature_dim == DIMS
    whole = build()
    whole.load_state_dict(augself.state_dict())
    given = views(3)
    assert torch.equal(whole.eval()(given, records).total, augself.eval()(given, records).total)
    assert repr(whole.pool) == repr(dict.fromkeys(DIMS))


@pytest.mark.parametrize("known", [DIMS, dict.fromkeys(DIMS), {**DIMS, "middle": None}], ids=str)
def test_a_checkpoint_is_loaded(records: list[Record], known: Any) -> None:
    trained, given = build(pool={"early": 2}), views(3, early=(4, 4))
    trained(given, records).total.backward()
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    resumed = build(known, pool={"early": 2})
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(trained.eval()(given, records).total, resumed.eval()(given, records).total)
    assert resumed.feature_dim == DIMS


def test_a_checkpoint_of_other_depths_is_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        build().load_state_dict(build(depths={"crop": "middle", "flip": "early"}).state_dict())


@pytest.mark.slow
def test_copied_compiled_and_wrapped(records: list[Record]) -> None:
    torch._dynamo.reset()
    given, whole = views(3, early=(3, 5)), build(pool={"early": 2})
    expected = whole(given, records).total
    compiled: Any = torch.compile(copy.deepcopy(build(pool={"early": 2})), backend="eager")
    torch.testing.assert_close(compiled(given, records).total, expected)
    wrapped = with_augself(nn.MSELoss(), build(pool={"early": 2}))
    zero = torch.zeros(2, 2)
    torch.testing.assert_close(wrapped(zero, zero, features=given, records=records), expected)


def test_features_without_a_gradient_are_told(records: list[Record]) -> None:
    wrapped = with_augself(nn.MSELoss(), build())
    trained = torch.zeros(2, requires_grad=True)
    with pytest.raises(FeatureError, match="features with a gradient"):
        wrapped(trained, torch.ones(2), features=views(), records=records[:2])
    given = [{n: f.requires_grad_() for n, f in view.items()} for view in views()]
    wrapped(trained, torch.ones(2), features=given, records=records[:2])


def test_gradient_ratios_look_at_all_depths(records: list[Record]) -> None:
    given = [{n: f.requires_grad_() for n, f in view.items()} for view in views()]
    base = torch.stack([f.square().sum() for view in given for f in view.values()]).sum()
    ratios = gradient_ratios(base, build()(given, records[:2]).terms, given)
    assert all(ratio > 0 for ratio in ratios.values())


SETUPS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown depth": ({"depths": {"crop": "layer9"}}, r"depths\['crop'\] expected one or several"),
    "unknown type": ({"depths": {"blur": "early"}}, r"types from .*found 'blur'"),
    "none": ({"depths": {"crop": []}}, r"depths\['crop'\] expected"),
    "no dict": ({"depths": "early"}, r"depths expected a dict.*found str"),
    "unread": ({"depths": {"crop": "early"}}, r"a type that reads 'middle', found none"),
    "no names": ({"feature_dim": 8, "depths": {"crop": "early"}}, r"which is one width"),
    "no depths": ({"feature_dim": {}}, r"feature_dim expected a width, or a dict"),
    "no name": ({"feature_dim": {3: 4}}, r"feature_dim expected a width, or a dict"),
    "wrong width": (
        {"feature_dim": {**DIMS, "last": 0}},
        r"feature_dim\['last'\] expected an integer",
    ),
    "unknown pool": ({"pool": {"layer9": "mean"}}, r"pool expected depths from .*'layer9'"),
    "wrong pool": ({"pool": {"early": "max"}}, r"pool expected one of .*'max'"),
}


@pytest.mark.parametrize(("options", "message"), SETUPS.values(), ids=list(SETUPS))
def test_wrong_depths_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LossError, match=message):
        build(**options)


Change = Callable[[list[View]], Any]
GIVEN: dict[str, tuple[Change, str]] = {
    "tensors": (lambda v: [view["last"] for view in v], r"features1 expected a dict.*found Tensor"),
    "a depth less": (
        lambda v: [v[0], {"early": v[1]["early"]}],
        r"features2 expected a dict.*found a dict with \['early'\]",
    ),
    "another width": (
        lambda v: [v[0], {**v[1], "middle": torch.zeros(BATCH, 7)}],
        r"features2\['middle'\] expected width 6",
    ),
    "not pooled": (
        lambda v: [v[0], {**v[1], "middle": torch.zeros(BATCH, 6, 2, 2)}],
        r"features2\['middle'\] expected shape \(B, 6\)",
    ),
    "another batch": (
        lambda v: [{**view, "middle": view["middle"][:3]} for view in v],
        r"depths 'early' and 'middle' expected features of one batch",
    ),
    "another batch of a view": (
        lambda v: [v[0], {**v[1], "last": torch.zeros(2, 8)}],
        r"features1\['last'\] and features2\['last'\] expected the same batch size",
    ),
    "another device": (
        lambda v: [{**view, "last": view["last"].to("meta")} for view in v],
        r"depths 'early' and 'last' expected .* on the same device",
    ),
    "integers": (
        lambda v: [{**view, "last": view["last"].long()} for view in v],
        r"features1\['last'\] expected floating-point",
    ),
}


@pytest.mark.parametrize(("change", "message"), GIVEN.values(), ids=list(GIVEN))
def test_wrong_features_are_refused(change: Change, message: str, records: list[Record]) -> None:
    for known in (DIMS, {**DIMS, "early": None}):
        augself = build(known)
        with pytest.raises(FeatureError, match=message):
            augself(change(views()), records[:2])
        assert augself.feature_dim == known, "nothing is learned"


def test_a_loss_of_one_depth_says_how_to_have_several(records: list[Record]) -> None:
    with pytest.raises(FeatureError, match=re.escape("feature_dim={'layer3': …, …}")):
        AugSelfLoss(8, WEIGHTS)(views(), records[:2])
