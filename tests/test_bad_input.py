"""One table of everything a user may hand over wrongly: the error, and what it says."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import (
    AugSelfError,
    AugSelfLoss,
    FeatureError,
    LossError,
    RecordError,
)

BATCH, DIM = 4, 8
NAN, INF = float("nan"), float("inf")
WEIGHTS = {"crop": 1.0, "blur": 1.0}


def rows(batch: int = BATCH, width: int = DIM, **kwargs: Any) -> Tensor:
    return torch.ones(batch, width, **kwargs)


def record(batch: int = BATCH, **entries: Any) -> dict[str, Any]:
    """Make a good record with some entries replaced, or left out where ``None``."""
    good = {
        "crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]] * batch),
        "flip": torch.zeros(batch, 1),
        "blur": torch.ones(batch, 1),
        "color": torch.tensor([[1.0, 1.0, 1.0, 0.0]] * batch),
    }
    return {name: entry for name, entry in {**good, **entries}.items() if entry is not None}


def run(
    *,
    one: Any = None,
    two: Any = None,
    record1: Any = None,
    record2: Any = None,
    training: bool = True,
    call: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Build the loss and call it once, with one thing changed."""
    augself = AugSelfLoss(**{"feature_dim": DIM, "weights": WEIGHTS, "hidden_dim": 4, **options})
    return augself.train(training)(
        rows() if one is None else one,
        rows() if two is None else two,
        record() if record1 is None else record1,
        record() if record2 is None else record2,
        **(call or {}),
    )


def spoiled(value: float) -> Tensor:
    features = rows()
    features[2, 3] = value
    return features


CALL: dict[str, tuple[dict[str, Any], type[AugSelfError], str]] = {
    "batch sizes": ({"two": rows(5)}, FeatureError, r"features2 .*same batch size, found 4 and 5"),
    "devices": ({"two": rows(device="meta")}, FeatureError, r"same device, found cpu and meta"),
    "heads elsewhere": (
        {"one": rows(device="meta"), "two": rows(device="meta")}, FeatureError,
        r"heads expected features on cpu, .*found meta. Call augself.to\('meta'\)",
    ),
    "width": ({"one": rows(4, 9)}, FeatureError, r"width 8 .*found 9.*before the projector"),
    "rank": ({"one": torch.ones(4, 8, 2, 2)}, FeatureError, r"\(B, 8\), found .*pool='mean'"),
    "one sample": ({"one": torch.ones(8)}, FeatureError, r"found \(8,\). Pass a batch.*\[None\]"),
    "a record as features": (
        {"two": record()}, FeatureError,
        r"features2 expected a tensor .*dict with \['crop'.*Call augself\(features1, features2,",
    ),
    "integers": ({"one": rows(dtype=torch.long)}, FeatureError, r"floating-point .*torch.int64"),
    "pooled integers": (
        {"one": torch.ones(4, 8, 2, 2, dtype=torch.long), "pool": "mean"}, FeatureError,
        r"features1 expected floating-point features, found torch.int64",
    ),
    "no tokens": (
        {"one": torch.ones(4, 0, 8), "pool": "cls"}, FeatureError, r"\(B, 8\), found \(4, 0, 8\)",
    ),
    "maps for cls": (
        {"one": torch.ones(4, 8, 2, 2), "pool": "cls"}, FeatureError, r"pool='mean'",
    ),
    "empty batch": (
        {"one": rows(0), "two": rows(0), "record1": record(0), "record2": record(0)},
        FeatureError, r"at least one sample, found an empty batch",
    ),
    "batch of one": (
        {"one": rows(1), "two": rows(1), "record1": record(1), "record2": record(1)},
        FeatureError, r"at least 2 samples in train mode.*, found 1.*drop_last=True.*eval",
    ),
    "NaN": ({"one": spoiled(NAN)}, FeatureError, r"features1 expected finite .*NaN .*learning"),
    "infinity": ({"two": spoiled(INF)}, FeatureError, r"features2 expected finite .*NaN"),
    "features a list": ({"one": [rows()]}, LossError, r"two lists|found list and Tensor"),
    "features text": ({"one": "f", "two": "r"}, LossError, r"found str and str"),
    "a number": ({"one": 3, "two": 4}, LossError, r"expected .*list of records, found int and int"),
    "packed record": ({"one": [rows()], "two": rows()}, LossError, r"found list and Tensor"),
    "two forms": (
        {"one": [rows()] * 2, "two": [record()] * 2}, LossError, r"two lists and another record",
    ),
    "no crop": ({"record1": record(crop=None)}, RecordError, r"record1 .*'crop', found .*types=\["),
    "no flip": (
        {"record2": record(flip=None)}, RecordError,
        r"record2 .*'flip', needed for 'crop', found .*'blur'.*types=\['flip'\]",
    ),
    "record no dict": ({"record1": [1]}, RecordError, r"record1 expected a dict, found list"),
    "record of numbers": ({"record1": {1: 2, "a": 3}}, RecordError, r"'crop', found \[1, 'a'\]"),
    "another batch": (
        {"record1": record(5)}, RecordError, r"batch size 4 like the features, found 5.*same batch",
    ),
    "another batch's flip": (
        {"record2": record(flip=torch.zeros(1, 1))}, RecordError, r"\['flip'\] .*4 .*found 1",
    ),
    "another batch's grayscale": (
        {"record1": record(grayscale=torch.zeros(1, 1)), "weights": {"color": 1}}, RecordError,
        r"record1\['grayscale'\] expected batch size 4 .*found 1",
    ),
    "another batch's vertical flip": (
        {"record1": record(vertical_flip=torch.zeros(1, 1))}, RecordError, r"4 .*found 1",
    ),
    "wide flip": (
        {"record1": record(flip=torch.zeros(4, 2))}, RecordError,
        r"record1\['flip'\] expected shape \(B, 1\) for \('flip',\), found \(4, 2\)",
    ),
    "narrow crop": ({"record1": record(crop=rows(4, 3))}, RecordError, r"\(B, 4\) .*\(4, 3\)"),
    "flat blur": ({"record1": record(blur=torch.ones(4))}, RecordError, r"\(B, columns\).*\(4,\)"),
    "integer blur": (
        {"record1": record(blur=rows(4, 1, dtype=torch.long))}, RecordError, r"found .*int64",
    ),
    "blur a list": ({"record1": record(blur=[1.0] * 4)}, RecordError, r"floating.*found list"),
    "record elsewhere": (
        {"record2": record(blur=rows(4, 1, device="meta"))}, RecordError,
        r"record2\['blur'\] expected device cpu .*found meta. Move the record",
    ),
    "another pipeline": (
        {"record1": record(blur=torch.full((4, 1), 9.0))}, RecordError,
        r"'blur' expected sigma in \(0.1, 2.0\).*found 9: another pipeline.*recorder.encoders",
    ),
    "NaN record": (
        {"record2": record(blur=torch.full((4, 1), NAN))}, RecordError, r"finite .*, found NaN",
    ),
    "no such pair": ({"call": {"pairs": [(0, 2)]}}, LossError, r"from 0..1, found \[\(0, 2\)\]"),
    "pair of one view": ({"call": {"pairs": [(1, 1)]}}, LossError, r"two different views"),
    "no pair": ({"call": {"pairs": []}}, LossError, r"two different views .*found no pair"),
    "pairs a number": ({"call": {"pairs": 2}}, LossError, r"'all', 'first' or a list .*found 2"),
    "types unknown": ({"call": {"types": ["flip"]}}, LossError, r"names from .*blur.*flip"),
    "types text": ({"call": {"types": "crop"}}, LossError, r"a list of names from .*found 'crop'"),
    "types empty": ({"call": {"types": []}}, LossError, r"types expected .*found \[\]"),
    "types a number": ({"call": {"types": 3}}, LossError, r"types expected .*found 3"),
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"check_values": "always"}], ids=["first", "always"])
def test_good_input_passes(options: dict[str, Any]) -> None:
    assert run(**options).total.isfinite()


@pytest.mark.parametrize("case", CALL.values(), ids=list(CALL))
def test_refused(case: tuple[dict[str, Any], type[AugSelfError], str]) -> None:
    change, error, message = case
    with pytest.raises(error, match=message):
        run(**change)


LISTS: dict[str, tuple[list[Any], list[Any], str]] = {
    "one view": ([rows()], [record()], r"expected at least 2 views to compare, found 1"),
    "no view": ([], [], r"expected at least 2 views to compare, found 0"),
    "a record short": ([rows()] * 3, [record()] * 2, r"one record per view, found 3 .* and 2"),
}


@pytest.mark.parametrize(("features", "records", "message"), LISTS.values(), ids=list(LISTS))
def test_lists_refused(features: list[Any], records: list[Any], message: str) -> None:
    with pytest.raises(LossError, match=message):
        AugSelfLoss(DIM, WEIGHTS, hidden_dim=4)(features, records)


def test_a_forgotten_record() -> None:
    with pytest.raises(LossError, match=r"found a view without a record.*recorder returned"):
        AugSelfLoss(DIM, WEIGHTS, hidden_dim=4)(rows(), rows(), record())


def test_a_batch_of_one_is_fine_in_eval_mode() -> None:
    one: dict[str, Any] = {
        "one": rows(1),
        "two": rows(1),
        "record1": record(1),
        "record2": record(1),
    }
    assert run(training=False, **one).total.isfinite()


@pytest.mark.parametrize(
    ("check_values", "refused"), [("first", [True, False]), ("always", [True, True])]
)
def test_when_values_are_looked_at(check_values: Any, refused: list[bool]) -> None:
    augself = AugSelfLoss(DIM, WEIGHTS, hidden_dim=4, check_values=check_values)
    with pytest.raises(FeatureError, match=r"expected finite .* found NaN"):
        augself(spoiled(NAN), rows(), record(), record())
    augself(rows(), rows(), record(), record())
    if refused[1]:
        with pytest.raises(FeatureError, match=r"expected finite .* found NaN"):
            augself(spoiled(NAN), rows(), record(), record())
    else:
        augself(spoiled(NAN), rows(), record(), record())
    never = run(check_values="never", one=spoiled(NAN))
    assert never.total.isnan()
