from typing import Any

import numpy as np
import pytest
import torch

from augself_loss import EncoderError, RegressionEncoder
from augself_loss.encoders.regression import as_fixed, as_range, masked_mean, short_way, telling


class Zoom(RegressionEncoder):
    name = "zoom"
    columns = ("factor", "angle")
    identity = (1.0, 0.0)


@pytest.mark.parametrize(
    ("written", "centre", "expected"),
    [
        (None, 1.0, None),
        (0.4, 1.0, (0.6, 1.4)),
        (1.5, 1.0, (0.0, 2.5)),  # a factor cannot be negative
        (0.1, 0.0, (-0.1, 0.1)),
        (30, 0.0, (-30.0, 30.0)),
        ((0.5, 2), 1.0, (0.5, 2.0)),
        ([0.5, 2.0], 1.0, (0.5, 2.0)),
        (np.float32(0.5), 1.0, (0.5, 1.5)),
        (torch.tensor([0.5, 2.0]), 1.0, (0.5, 2.0)),
    ],
)
def test_ranges_as_users_write_them(written: Any, centre: float, expected: Any) -> None:
    assert as_range(written, centre, "factor") == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    "written",
    [
        -0.1, float("nan"), float("inf"), (2.0, 1.0), (0.0, float("nan")), (0.0, float("inf")),
        (1.0,), (1.0, 2.0, 3.0), (), "12", "factor", ("a", "b"), {}, 10**400, 1j,
        pytest.param(object(), id="object()"),  # whose repr is another in every process
    ],
    ids=repr,
)  # fmt: skip
def test_ranges_that_are_none(written: Any) -> None:
    with pytest.raises(EncoderError, match=r"factor expected a half-width .*low <= high, found"):
        as_range(written, 1.0, "factor")


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2.0)])
def test_one_number_may_be_a_fixed_value(number: Any) -> None:
    assert as_fixed(number) == (2.0, 2.0)
    assert as_fixed((1.0, 2.0)) == (1.0, 2.0)


def test_a_half_width_lies_around_the_identity() -> None:
    assert Zoom(0.5, 10.0).ranges == ((0.5, 1.5), (-10.0, 10.0))


def test_span_holds_the_identity() -> None:
    encoder = Zoom((1.5, 2.0), (10.0, 30.0))
    assert [encoder.span(0), encoder.span(1)] == [1.0, 30.0]


def test_target_is_the_difference_over_the_span() -> None:
    encoder = Zoom((1.5, 2.0), (-10.0, 30.0))
    one, two = {"zoom": torch.tensor([[2.0, 0.0]])}, {"zoom": torch.tensor([[1.0, 10.0]])}
    assert encoder.difference(one, two).tolist() == [[1.0, -0.25]]
    assert encoder.absolute(one).tolist() == [[1.0, 0.0]]


def test_a_column_that_does_not_vary_has_no_output() -> None:
    encoder = Zoom(None, (-10.0, 30.0))
    assert (encoder.width, encoder.varying) == (1, (1,))
    assert encoder.difference(
        {"zoom": torch.tensor([[2.0, 4.0]])}, {"zoom": torch.tensor([[1.0, 0.0]])}
    ).tolist() == [[pytest.approx(0.1)]]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (((1.0, 1.0), None), r"range of factor that varies, found .* of zero width.*factor=None"),
        ((None, None), r"a range for at least one of .*factor.*Leave this type out"),
        (((1.0, 2.0),), r"expected 2 ranges for .*found 1"),
        (((3.0, 2.0), None), r"Zoom\(factor\) expected .* low <= high, found \(3.0, 2.0\)"),
    ],
)
def test_ranges_that_carry_no_target(ranges: tuple[Any, ...], expected: str) -> None:
    with pytest.raises(EncoderError, match=expected):
        Zoom(*ranges)


def test_a_fixed_value_off_the_identity_varies_by_being_applied() -> None:
    assert Zoom((2.0, 2.0), None).span(0) == 1.0


def test_union_holds_both() -> None:
    one, two = Zoom((0.5, 1.5), None), Zoom((0.8, 2.0), (-5.0, 5.0))
    assert one.union(two).ranges == two.union(one).ranges == ((0.5, 2.0), (-5.0, 5.0))
    assert one.ranges == ((0.5, 1.5), None)


def test_two_types_have_no_union() -> None:
    class Other(Zoom):
        name = "other"

    with pytest.raises(EncoderError, match="Expected encoders of one class"):
        Zoom((0.5, 1.5), None).union(Other((0.5, 1.5), None))


def test_masked_mean_counts_what_can_be_seen() -> None:
    elements = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert masked_mean(elements, None) == 2.5
    assert masked_mean(elements, torch.tensor([[1, 0], [0, 1]])) == 2.5
    assert masked_mean(elements, torch.tensor([[False, False], [False, True]])) == 4.0
    assert masked_mean(elements, torch.zeros(2, 2)) == 0.0


def test_a_narrow_range_does_not_hide_one_that_varies() -> None:
    identity = (1.0, 1.0, 0.0)
    narrow, wide, none = (1 - 1e-7, 1 + 1e-7), (0.5, 1.5), (0.0, 0.0)
    assert telling((narrow, wide, none), identity) == (None, wide, None)
    assert telling((narrow, (1.0, 1.0), none), identity) == (narrow, None, None)
    assert telling(((1.0, 1.0), None, none), identity) == (None, None, None)


def test_short_way_is_at_most_half_a_turn() -> None:
    offsets = torch.tensor([0.0, 0.3, 0.6, -0.9, 1.0, 2.25])
    expected = torch.tensor([0.0, 0.3, -0.4, 0.1, 0.0, 0.25])
    torch.testing.assert_close(short_way(offsets, 1.0), expected)
    torch.testing.assert_close(short_way(offsets * 360, 360.0), expected * 360)
