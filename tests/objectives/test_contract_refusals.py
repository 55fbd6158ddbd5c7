"""What every objective refuses, by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from objective_cases import BATCH, DIM, KINDS, LEARNING, Case, build
from torch import Tensor

from augself_loss import (
    AugSelfError,
    EncoderError,
    FeatureError,
    LoadedWeightsWarning,
    LossError,
    RecordError,
)
from augself_loss.objectives import Objectives

OBJECTIVES = [kind for kind in KINDS if kind != "cassle"]


class Wrong(NamedTuple):
    """What a call is given instead, and what is said of it."""

    kinds: tuple[str, ...]
    change: Callable[[Case], Case]
    error: type[AugSelfError] | tuple[type[AugSelfError], ...]
    says: str


def every(function: Callable[[Tensor], Tensor]) -> Callable[[Case], Case]:
    return lambda case: case._replace(
        features=[function(view) for view in case.features],
        third=None if case.third is None else function(case.third),
    )


def records(function: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Callable[[Case], Case]:
    return lambda case: case._replace(records=[function(r) for r in case.records])


def put(value: float) -> Callable[[Tensor], Tensor]:
    return lambda view: torch.cat([view[:1] * value, view[1:]])


READS = ("equimod", "cassle")
WRONG = {
    "no third view": Wrong(
        ("equimod", "essl"), lambda c: c._replace(third=None), FeatureError, "expected third=, the"
    ),
    "a third view that is not wanted": Wrong(
        ("stl", "stl_rank", "care"), lambda c: c._replace(third=c.features[0]), FeatureError,
        "expected no third view, found third=",
    ),
    "one view alone instead of a list": Wrong(
        ("equimod", "stl", "care"), lambda c: c._replace(features=c.features[0]),  # type: ignore[arg-type]
        FeatureError, r"lists, .* found features as one Tensor",
    ),
    "features that are a list of projections' dicts": Wrong(
        ("equimod", "stl", "care"), lambda c: c._replace(features=[{}, {}]),  # type: ignore[list-item]
        FeatureError, r"found features as a list of \['dict'\]",
    ),
    "one record alone instead of a list": Wrong(
        ("equimod", "stl", "care"), lambda c: c._replace(records=c.records[0]),  # type: ignore[arg-type]
        RecordError, "found records as one dict",
    ),
    "packed records": Wrong(
        ("equimod", "stl", "care"), lambda c: c._replace(records=[torch.rand(BATCH, 9)] * 2),  # type: ignore[list-item]
        RecordError, r"record1 as a dict of tensors, found Tensor.*split_views",
    ),
    "maps": Wrong(
        KINDS, every(lambda v: v[:, :, None, None].expand(-1, -1, 2, 2)), FeatureError,
        r"expected .*, found .*2, 2\)",
    ),
    "another width": Wrong(LEARNING, every(lambda v: v[:, 1:]), FeatureError, rf"B, {DIM}\)"),
    "whole numbers": Wrong(KINDS, every(Tensor.long), FeatureError, "floating-point"),
    "NaN": Wrong(KINDS, every(put(float("nan"))), FeatureError, "found NaN or infinity"),
    "infinity": Wrong(KINDS, every(put(float("inf"))), FeatureError, "found NaN or infinity"),
    "another device": Wrong(
        KINDS, every(lambda v: v.to("meta")), (FeatureError, RecordError),
        "same device, found|its weights are, found|like the features, found",
    ),
    "no images": Wrong(KINDS, every(lambda v: v[:0]), AugSelfError, "found"),
    "records of another batch": Wrong(
        ("equimod", "stl", "care"), records(lambda r: {n: e[:2] for n, e in r.items()}),
        RecordError, "record of the same batch",
    ),
    "a record of another batch": Wrong(
        ("cassle",), records(lambda r: {n: e[:2] for n, e in r.items()}), FeatureError,
        f"same batch, found {BATCH} and 2",
    ),
    "records of another recorder": Wrong(
        READS, records(lambda r: {"blur": r["flip"]}), RecordError, "expected the entry 'crop'"
    ),
    "records of another range": Wrong(
        ("equimod",), records(lambda r: {**r, "color": 9 * r["color"]}),
        (RecordError, EncoderError), "color",
    ),
    "records on another device": Wrong(
        ("equimod", "stl", "care", "cassle"),
        records(lambda r: {n: e.to("meta") for n, e in r.items()}),
        (RecordError, FeatureError), "meta",
    ),
    "one record less": Wrong(
        ("equimod",), lambda c: c._replace(records=c.records[:1]), FeatureError, "found 2 and 1"
    ),
    "one view": Wrong(
        ("stl", "care"), lambda c: c._replace(features=c.features[:1]), FeatureError,
        "two views, found 1",
    ),
    "an odd image": Wrong(
        ("stl", "care"), lambda c: c._replace(features=[v[1:] for v in c.features], records=[]),
        FeatureError, "B even",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for name, wrong in WRONG.items() for kind in wrong.kinds]
)
def test_what_does_not_fit_is_refused(kind: str, name: str) -> None:
    wrong = WRONG[name]
    with pytest.raises(wrong.error, match=wrong.says):
        wrong.change(build(kind)).total()


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_wrapper_may_bring_the_networks(kind: str) -> None:
    """As FSDP with parameters offloaded does: they lie elsewhere until they are called."""
    case = build(kind)
    expected = case.total()

    def bring(module: torch.nn.Module, _given: Any) -> None:
        module.load_state_dict(state[module], assign=True)

    networks = [m for m in case.module.children() if next(m.parameters(), None) is not None]
    state = {network: network.state_dict() for network in networks}
    for network in state:
        network.to_empty(device="meta").register_forward_pre_hook(bring)
    torch.testing.assert_close(case.total(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_looked_at_once(kind: str) -> None:
    case = build(kind)
    case.total()
    total = every(put(float("nan")))(case).total()
    assert not total.isfinite()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_read_may_be_anything(kind: str) -> None:
    case = build(kind)
    expected = case.total()
    other: Any = {"mine": torch.arange(3), "note": "none"}
    torch.testing.assert_close(records(lambda r: {**r, **other})(case).total(), expected)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_maps_are_pooled(kind: str) -> None:
    case, pooled = build(kind), build(kind, pool="mean")
    maps = every(lambda v: v[:, :, None, None].expand(-1, -1, 2, 2))(case)
    torch.testing.assert_close(maps.total(pooled.module), case.total())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_recorder_must_record_what_is_read(kind: str) -> None:
    class Nothing:
        layout: dict[str, Any] = {}
        encoders = ()

    module = build(kind).module
    if kind == "equimod":
        with pytest.raises(RecordError, match="expected the entry"):
            module.check_recorder(Nothing())
    else:
        module.check_recorder(Nothing())


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_features_of_another_precision_are_taken(kind: str, dtype: torch.dtype) -> None:
    """As :class:`AugSelfLoss` takes those of a backbone in half precision."""
    case = build(kind)
    expected = case.total()
    total = every(lambda view: view.to(dtype))(case).total()
    own = kind == "care"  # no weights, whose dtype it could take
    assert total.dtype == (torch.promote_types(dtype, torch.float32) if own else torch.float32)
    torch.testing.assert_close(total.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", ["weights", "keys", "third_view", "a.b", "", "training", 1])
def test_names_that_several_cannot_have_are_refused(name: Any) -> None:
    with pytest.raises(LossError, match=f"expected names without a dot, .*found {name!r}"):
        Objectives({name: build("essl").module})


def test_other_lambdas_of_a_checkpoint_are_said_with_what_sets_them() -> None:
    for name in ("a", "my-stl"):
        old, new = (Objectives({name: build("stl", equivariance=w).module}) for w in (1.0, 0.5))
        with pytest.warns(LoadedWeightsWarning) as caught:
            torch.nn.ModuleDict({"objective": new}).load_state_dict(
                torch.nn.ModuleDict({"objective": old}).state_dict()
            )
        (way,) = re.findall(r"call (.*)\.$", str(caught[0].message))
        eval(f"root.{way}", {"root": torch.nn.ModuleDict({"objective": new})})
        assert new.weights[f"{name}/equivariance"] == 1.0


def test_lambdas_of_several_are_set_by_the_names_of_their_terms() -> None:
    stl, equimod = build("stl").module, build("equimod").module
    both = Objectives({"a": stl, "b": equimod})
    assert both.weights == {
        **{f"a/{name}": weight for name, weight in stl.weights.items()}, "b/equimod": 1.0
    }  # fmt: skip
    both.set_weights({"a/equivariance": 0.5, "b/equimod": 2.0})
    assert stl.weights["equivariance"] == 0.5
    assert equimod.weights == {"equimod": 2.0}
    with pytest.raises(LossError, match=r"Objectives expected names out of .*, found 'equimod'"):
        both.set_weights({"equimod": 1.0})
