"""Two views, or lists of them: by position and by name, each name meaning one thing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, LossError

FEATURES = list(torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0)))
RECORDS = [{"flip": torch.tensor([[float(i % 2)], [1.0], [0.0], [0.0]])} for i in range(3)]
(F1, F2, _), (R1, R2, _) = FEATURES, RECORDS


def total(*views: Any, **named: Any) -> Tensor:
    torch.manual_seed(0)
    found: Tensor = AugSelfLoss(8, {"flip": 1.0}, hidden_dim=16)(*views, **named).total
    return found


TWO: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((F1, F2), {"record1": R1, "record2": R2}),
    ((F1,), {"features2": F2, "record1": R1, "record2": R2}),
    ((), {"record2": R2, "record1": R1, "features2": F2, "features1": F1}),
    (([F1, F2], [R1, R2]), {}),
    (((F1, F2),), {"records": (R1, R2)}),
    ((), {"records": [R1, R2], "features": [F1, F2]}),
]


@pytest.mark.parametrize(("views", "named"), TWO)
def test_all_forms_of_two_views_are_one(views: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert total(*views, **named).equal(total(F1, F2, R1, R2))


OLD: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (([F1, F2],), {"features2": [R1, R2]}),
    ((), {"features1": [F1, F2], "features2": [R1, R2]}),
]


@pytest.mark.parametrize(("views", "named"), OLD)
def test_lists_by_the_names_of_two_views_are_one_too_and_warn(
    views: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.warns(DeprecationWarning, match=r"Use 'features=\[…\], records=\[…\]'"):
        assert total(*views, **named).equal(total(F1, F2, R1, R2))


def test_more_views_by_name() -> None:
    by_name = total(features=FEATURES, records=RECORDS, pairs="first")
    assert by_name.equal(total(FEATURES, RECORDS, pairs="first"))


WRONG: dict[str, tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = {
    "no argument": ((), {}, TypeError, r"found the arguments \[\]"),
    "one": ((F1,), {}, TypeError, r"found the arguments \['features1'\]"),
    "no features": ((), {"records": [R1, R2]}, TypeError, r"arguments \['records'\]"),
    "five": ((F1, F2, R1, R2, R1), {}, TypeError, "found 5 arguments"),
    "unknown": ((F1, F2, R1, R2), {"record3": R1}, TypeError, "unknown argument 'record3'"),
    "twice": ((F1, F2, R1), {"record1": R1}, TypeError, "a second argument 'record1'"),
    "under two names": (([F1, F2], [R1, R2]), {"records": []}, TypeError, "second .* 'records'"),
    "no record": ((F1, F2, R1), {}, LossError, "found a view without a record"),
    "mixed": ((F1, [R1, R2]), {}, LossError, "found Tensor and list"),
    "one more": (([F1, F2], [R1, R2], R1), {}, LossError, "two lists and another record"),
    "too few": (([F1, F2], [R1]), {}, LossError, "found 2 features and 1 records"),
}


@pytest.mark.parametrize(("views", "named", "error", "message"), WRONG.values(), ids=list(WRONG))
def test_other_calls_are_refused(
    views: tuple[Any, ...], named: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        total(*views, **named)


@pytest.mark.slow
def test_compiles_by_name() -> None:
    augself = AugSelfLoss(8, {"flip": 1.0}, hidden_dim=16)
    compiled = torch.compile(augself, fullgraph=True, backend="eager")
    expected = augself(F1, F2, R1, R2).total
    for named in ({"features": [F1, F2], "records": [R1, R2]},
                  {"features1": F1, "features2": F2, "record1": R1, "record2": R2}):  # fmt: skip
        assert compiled(**named).total.allclose(expected)
