from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import ColorEncoder, Encoder, EncoderError, Record

GREY = {"grayscale": torch.tensor([[1.0], [0.0], [0.0], [1.0]])}
BRIGHT = {"grayscale": torch.tensor([[0.0], [0.0], [1.0], [1.0]])}


def color(*factors: float) -> Record:
    return {"color": torch.tensor([factors])}


def test_ranges_as_users_write_them() -> None:
    encoder = ColorEncoder(0.4, (0.8, 1.6), None, 0.1)
    expected = [(0.6, 1.4), (0.8, 1.6), (-0.1, 0.1)]
    assert [encoder.ranges[i] for i in (0, 1, 3)] == [pytest.approx(pair) for pair in expected]
    assert encoder.ranges[2] is None
    assert encoder.width == 3


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_target_by_hand(preset: Any) -> None:
    encoder = ColorEncoder(0.4, 0.4, 0.4, 0.1).under(preset)
    target = encoder.difference(color(1.4, 0.8, 1.0, 0.1), color(1.0, 1.0, 0.6, -0.1))
    assert target[0].tolist() == pytest.approx([0.5, -0.25, 0.5, 1.0], abs=1e-6)


@pytest.mark.parametrize(("preset", "expected"), [("default", 1.0), ("paper", 1.5)])
def test_identity_outside_the_range(preset: Any, expected: float) -> None:
    encoder = ColorEncoder((1.2, 1.6), None, None, None).under(preset)
    target = encoder.difference(color(1.6, 1.0, 1.0, 0.0), color(1.0, 1.0, 1.0, 0.0))
    assert target.tolist() == [[pytest.approx(expected)]]


@pytest.mark.parametrize(("preset", "expected"), [("default", -0.2), ("paper", 0.8)])
@pytest.mark.parametrize("sign", [1, -1])
def test_hue_goes_the_short_way_round(preset: Any, expected: float, sign: int) -> None:
    encoder = ColorEncoder(hue=0.5).under(preset)
    one, two = color(1.0, 1.0, 1.0, 0.4 * sign), color(1.0, 1.0, 1.0, -0.4 * sign)
    assert float(encoder.difference(one, two)[0, 3]) == pytest.approx(sign * expected)


def test_a_small_range_of_hue_has_no_other_way_round() -> None:
    one, two = color(1.0, 1.0, 1.0, 0.25), color(1.0, 1.0, 1.0, -0.25)
    assert ColorEncoder(hue=0.25).difference(one, two)[0, 3] == 1.0


@pytest.mark.parametrize(
    ("one", "two", "seen"),
    [(GREY, BRIGHT, [0, 1, 0, 0]), (GREY, {}, [0, 1, 1, 0]), ({}, BRIGHT, [1, 1, 0, 0])],
)
def test_no_colour_is_seen_in_grey_views(one: Record, two: Record, seen: list[int]) -> None:
    visible = ColorEncoder().under("default").visible(one, two)
    assert visible is not None
    assert visible[:, :2].eq(1).all()
    assert visible[:, 2].tolist() == visible[:, 3].tolist() == seen
    hue_only = ColorEncoder(None, None, None).visible(one, two)
    assert hue_only is not None
    assert hue_only.tolist() == [[s] for s in seen]


def test_everything_counts_in_the_papers_preset_and_without_grayscale() -> None:
    assert ColorEncoder().under("paper").visible(GREY, BRIGHT) is None
    assert ColorEncoder().under("default").visible({}, {}) is None


def test_one_fixed_factor_has_no_span_in_the_papers_preset() -> None:
    fixed = ColorEncoder((1.5, 1.5), None, None, None)
    assert fixed.under("default").span(0) == 0.5
    with pytest.raises(EncoderError, match=r"brightness that varies, found \(1.5, 1.5\)"):
        fixed.under("paper")


FACTORS = {f"{name}_factor": torch.tensor([1.5]) for name in ColorEncoder.columns}
RANGES = dict.fromkeys(ColorEncoder.columns, (0.5, 1.5)) | {"hue": (-0.1, 0.1)}


def test_read_kornia(read: Callable[..., list[Any]]) -> None:
    params = {**FACTORS, "order": torch.tensor([2, 0, 3, 1])}
    assert read(ColorEncoder, "kornia", "ColorJitter", params, RANGES) == [[1.5]] * 4


def test_read_kornia_leaves_out_what_a_fixed_order_skips(read: Callable[..., list[Any]]) -> None:
    params = {**FACTORS, "order": torch.tensor([2, 0, 3, 1])}
    config = {**RANGES, "fixed_order": (0, 3)}
    columns = read(ColorEncoder, "kornia", "ColorJitter", params, config)
    assert columns == [[1.5], None, None, [1.5]]


def test_read_torchvision(read: Callable[..., list[Any]]) -> None:
    params = {
        "fn_idx": torch.tensor([2, 0, 3, 1]), "brightness_factor": 1.2, "contrast_factor": None,
        "saturation_factor": 0.8, "hue_factor": -0.1,
    }  # fmt: skip
    assert read(ColorEncoder, "torchvision", "ColorJitter", params, RANGES) == [
        1.2, None, 0.8, -0.1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "config"),
    [
        ("kornia", {"brightness": (0.6, 1.4), "contrast": (1.0, 1.0), "hue": (-0.1, 0.1),
                    "saturation": (1.0, 1.0)}),
        ("torchvision", {"brightness": (0.6, 1.4), "contrast": None, "saturation": None,
                         "hue": (-0.1, 0.1)}),
    ],
)  # fmt: skip
def test_build(built: Callable[..., Encoder], host: str, config: dict[str, Any]) -> None:
    encoder = built(ColorEncoder, host, "ColorJitter", config)
    assert encoder.ranges == ((0.6, 1.4), None, None, (-0.1, 0.1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_records_rounding_is_no_other_pipeline(dtype: torch.dtype) -> None:
    lowest = torch.tensor([[0.7, 1.3, 0.9, -0.1]], dtype=dtype)  # 0.7 is 0.6992 in bfloat16
    ColorEncoder(0.3, 0.3, 0.1, 0.1).check({"color": lowest})
