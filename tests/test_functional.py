from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.profiler import profile

from augself_loss import (
    CropEncoder,
    Field,
    FlipEncoder,
    LossError,
    Record,
    RotationEncoder,
    unpack,
)
from augself_loss.functional import (
    difference_targets,
    ordered_pairs,
    pair_records,
    term_losses,
    weighted_sum,
)


@pytest.mark.parametrize(
    ("views", "pairs", "symmetric", "expected"),
    [
        (2, "all", True, [(0, 1), (1, 0)]),
        (2, "all", False, [(0, 1)]),
        (3, "all", False, [(0, 1), (0, 2), (1, 2)]),
        (3, "first", True, [(0, 1), (0, 2), (1, 0), (2, 0)]),
        (4, [(0, 3), (2, 1)], False, [(0, 3), (2, 1)]),
        (3, ([0, 2],), True, [(0, 2), (2, 0)]),
    ],
)
def test_ordered_pairs(
    views: int, pairs: Any, symmetric: bool, expected: list[tuple[int, int]]
) -> None:
    assert ordered_pairs(views, pairs, symmetric=symmetric) == expected


@pytest.mark.parametrize("pairs", ["second", "", 3, None, [0, 1], [(0,)], [(0, 1.0)], ["ab"], {}])
def test_pairs_that_are_none(pairs: Any) -> None:
    with pytest.raises(LossError, match=r"pairs expected"):
        ordered_pairs(2, pairs)


@pytest.mark.parametrize("pairs", [[(0, 2)], [(1, 1)], [(-1, 0)], []])
def test_pairs_of_other_views(pairs: Any) -> None:
    with pytest.raises(LossError, match=r"two different views from 0..1, found"):
        ordered_pairs(2, pairs)


@pytest.mark.parametrize("views", [0, 1])
def test_one_view_has_no_pair(views: int) -> None:
    with pytest.raises(LossError, match=f"at least 2 views to compare, found {views}"):
        ordered_pairs(views)


def test_stacked_records_are_views_one_after_the_other() -> None:
    one, two = {"flip": torch.zeros(2, 1), "more": torch.ones(2, 3)}, {"flip": torch.ones(2, 1)}
    first, second = pair_records([one, two], [(0, 1), (1, 0), (0, 1)], ["flip", "grayscale"])
    assert list(first) == list(second) == ["flip"]
    assert first["flip"].flatten().tolist() == [0, 0, 1, 1, 0, 0]
    assert second["flip"].flatten().tolist() == [1, 1, 0, 0, 1, 1]


def test_stacked_records_are_at_least_float32() -> None:
    half = {"flip": torch.ones(2, 1).half(), "blur": torch.rand(2, 1).bfloat16()}
    first, _ = pair_records([half, half], [(0, 1)], ["flip", "blur"])
    assert {entry.dtype for entry in first.values()} == {torch.float32}
    assert first["blur"].equal(half["blur"].float())
    double = {**half, "blur": torch.rand(2, 1).double()}
    first, second = pair_records([half, double], [(0, 1)], ["flip", "blur"])
    assert second["blur"].equal(double["blur"])
    assert first["flip"].tolist() == [[1.0], [1.0]]


def test_what_one_views_pipeline_lacks_was_not_applied_there() -> None:
    records = [{}, {"vertical_flip": torch.ones(2, 1)}]
    first, second = pair_records(records, [(0, 1), (1, 0)], ["vertical_flip"])
    assert first["vertical_flip"].flatten().tolist() == [0, 0, 1, 1]
    assert second["vertical_flip"].flatten().tolist() == [1, 1, 0, 0]
    assert pair_records([{}, {}], [(0, 1)], ["vertical_flip"]) == ({}, {})


def test_a_record_gives_the_same_however_it_lies() -> None:
    layout = {
        "crop": Field(tuple("abcd"), (0.0,) * 4),
        "more": Field(tuple("ab"), (0.0, 0.0)),
        "flip": Field(("flip",), (0.0,)),
    }
    packed = torch.rand(3, 4, 7)
    lying = [unpack(rows, layout) for rows in packed]
    apart = [{name: entry.clone() for name, entry in record.items()} for record in lying]
    turned = [dict(reversed(record.items())) for record in lying]
    order, names = [(0, 1), (2, 0), (1, 0)], ["flip", "grayscale", "crop"]
    expected = pair_records(apart, order, names)
    mixed: list[Record] = [lying[0], apart[1], turned[2]]
    for records in (lying, turned, mixed):
        for side, found in zip(expected, pair_records(records, order, names), strict=True):
            assert list(found) == list(side) == ["flip", "crop"]
            assert all(found[name].equal(entry) for name, entry in side.items())


@pytest.mark.filterwarnings("ignore:.*Profiler clears events")  # PyTorch 2.11
def test_records_that_lie_in_one_tensor_are_not_written_anew() -> None:
    layout = {"flip": Field(("flip",), (0.0,)), "blur": Field(("sigma",), (0.0,))}
    records = [unpack(torch.rand(4, 2), layout) for _ in range(2)]
    with profile() as seen:
        first, _ = pair_records(records, [(0, 1), (1, 0)], ["flip", "blur"])
    assert sum(event.count for event in seen.key_averages() if event.key == "aten::cat") == 2
    first["flip"].zero_()
    assert bool(records[0]["flip"].any()), "pairs are a copy"


def test_difference_targets(make_record: Callable[..., Record]) -> None:
    encoders = {e.name: e for e in (CropEncoder(), RotationEncoder())}
    one, two = (make_record(encoders.values(), 5, seed) for seed in (0, 1))
    targets = difference_targets(encoders, one, two)
    assert list(targets) == ["crop", "rotation"]
    assert all(targets[n].equal(e.difference(one, two)) for n, e in encoders.items())


@pytest.mark.parametrize("record_dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_terms_are_at_least_float32(
    make_record: Callable[..., Record],
    dtype: torch.dtype,
    expected: torch.dtype,
    record_dtype: torch.dtype,
) -> None:
    encoders = {e.name: e for e in (CropEncoder(), FlipEncoder(), RotationEncoder())}
    one, two = (
        {name: entry.to(record_dtype) for name, entry in make_record(encoders.values(), 5).items()}
        for _ in range(2)
    )
    predictions = {n: torch.zeros(5, e.width, dtype=dtype) for n, e in encoders.items()}
    terms = term_losses(encoders, predictions, one, two)
    assert list(terms) == list(encoders)
    assert {term.dtype for term in terms.values()} == {expected}


def test_weighted_sum() -> None:
    terms = {"crop": torch.tensor(2.0), "flip": torch.tensor(3.0, dtype=torch.float64)}
    assert weighted_sum(terms, torch.tensor([0.5, 2.0])) == 7.0
