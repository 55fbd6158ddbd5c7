import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from augself_loss import (
    AugSelfLoss,
    CropEncoder,
    Encoder,
    EncoderError,
    FlipEncoder,
    Record,
    RecordError,
)


def view(box: list[float], flip: float = 0.0, vertical: float | None = None) -> Record:
    record = {"crop": torch.tensor([box]), "flip": torch.tensor([[flip]])}
    return record if vertical is None else {**record, "vertical_flip": torch.tensor([[vertical]])}


CORNER, WHOLE = [0.0, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (view(CORNER), view(WHOLE), [-0.25, 0.25, -0.5, -0.5]),
        (view(CORNER, 1.0), view(WHOLE), [-0.25, -0.25, -0.5, -0.5]),
        (view(CORNER, 1.0), view(WHOLE, 1.0), [-0.25, -0.25, -0.5, -0.5]),
        (view(CORNER), view(WHOLE, 1.0), [-0.25, 0.25, -0.5, -0.5]),
        (view(CORNER, 0.0, 1.0), view(WHOLE, 0.0, 0.0), [0.25, 0.25, -0.5, -0.5]),
        (view(CORNER, 0.0, 0.0), view(WHOLE, 0.0, 1.0), [-0.25, 0.25, -0.5, -0.5]),
        (view(CORNER, 1.0, 1.0), view(WHOLE), [0.25, -0.25, -0.5, -0.5]),
    ],
)
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_target_is_in_the_first_views_frame(
    one: Record, two: Record, expected: list[float], preset: Any
) -> None:
    assert CropEncoder().under(preset).difference(one, two).tolist() == [expected]


def test_target_is_not_antisymmetric_where_the_flips_differ() -> None:
    one, two = view(CORNER, 1.0), view(WHOLE)
    forth, back = CropEncoder().difference(one, two), CropEncoder().difference(two, one)
    assert forth[0, 1] == back[0, 1] == -0.25
    assert forth[0, 0] == -back[0, 0]


def test_target_is_where_the_other_view_lies() -> None:
    """Look for the second box's centre from within the mirrored first view."""
    one, two = view([0.2, 0.1, 0.4, 0.4], flip=1.0), view([0.3, 0.5, 0.2, 0.3])
    y, x = (0.3 + 0.1) - (0.2 + 0.2), (0.5 + 0.15) - (0.1 + 0.2)
    target = CropEncoder().difference(one, two)[0]
    # Unflipped, the second centre lies x to the right; seen in the mirror, to the left.
    assert target[:2].tolist() == pytest.approx([-y, x], abs=1e-6)


def test_absolute_is_centre_and_size_in_the_source() -> None:
    assert CropEncoder().absolute(view(CORNER, 1.0)).tolist() == [[0.25, 0.75, 0.5, 0.5]]


def corners(left: int, top: int, width: int, height: int) -> Tensor:
    right, bottom = left + width - 1, top + height - 1
    return torch.tensor([[[left, top], [right, top], [right, bottom], [left, bottom]]]).float()


SIZE = torch.tensor([[100, 200]])


@pytest.mark.parametrize(
    ("host", "transform", "params", "config", "expected"),
    [
        ("kornia", "RandomResizedCrop", {"src": corners(20, 10, 40, 50), "input_size": SIZE}, {},
         [0.1, 0.1, 0.5, 0.2]),
        ("kornia", "CenterCrop", {"src": corners(50, 25, 100, 50), "input_size": SIZE}, {},
         [0.25, 0.25, 0.5, 0.5]),
        # The canvas is padded by 10 to the left, 30 to the right, 4 above and 6 below.
        ("kornia", "RandomCrop",
         {"src": corners(0, 4, 200, 100), "input_size": torch.tensor([[110, 240]]),
          "padding_size": torch.tensor([[10, 30, 4, 6]])}, {}, [0.0, -0.05, 1.0, 1.0]),
        ("torchvision", "RandomResizedCrop",
         {"top": 10, "left": 20, "height": 50, "width": 40}, {}, [0.1, 0.1, 0.5, 0.2]),
        ("torchvision", "RandomCrop",
         {"top": 0, "left": 30, "height": 50, "width": 40, "padding": (10, 4)}, {},
         [-0.04, 0.1, 0.5, 0.2]),
        ("torchvision", "CenterCrop", {}, {"size": (50, 100)}, [0.25, 0.25, 0.5, 0.5]),
        ("torchvision", "CenterCrop", {}, {"size": (100, 220)}, [0.0, -0.05, 1.0, 1.1]),
        ("torchvision", "Pad", {}, {"padding": 10}, [-0.1, -0.05, 1.2, 1.1]),
        ("torchvision", "Pad", {}, {"padding": [20, 10]}, [-0.1, -0.1, 1.2, 1.2]),
        ("torchvision", "Pad", {}, {"padding": [20, 10, 0, 30]}, [-0.1, -0.1, 1.4, 1.1]),
    ],
)  # fmt: skip
def test_read(
    read: Callable[..., list[Any]],
    host: str,
    transform: str,
    params: dict[str, Any],
    config: dict[str, Any],
    expected: list[float],
) -> None:
    columns = torch.tensor(read(CropEncoder, host, transform, params, config)).flatten()
    assert columns.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("host", "transform", "config", "inside"),
    [
        ("torchvision", "RandomResizedCrop", {"size": (8, 8)}, True),
        ("torchvision", "RandomCrop", {"padding": None, "pad_if_needed": False}, True),
        ("torchvision", "RandomCrop", {"padding": 4, "pad_if_needed": False}, False),
        ("torchvision", "RandomCrop", {"padding": None, "pad_if_needed": True}, False),
        ("torchvision", "CenterCrop", {"size": (9, 9)}, False),
        ("torchvision", "Pad", {"padding": 4}, False),
        ("kornia", "RandomResizedCrop", {}, True),
        ("kornia", "RandomCrop", {}, False),
        ("kornia", "CenterCrop", {}, False),
    ],
)
def test_how_far_boxes_reach_is_taken_from_the_transform(
    built: Callable[..., Encoder], host: str, transform: str, config: dict[str, Any], inside: bool
) -> None:
    encoder = built(CropEncoder, host, transform, config)
    assert isinstance(encoder, CropEncoder)
    assert encoder.inside is inside
    far = view([-40.0, 0.0, 80.0, 1.0])
    if inside:
        with pytest.raises(RecordError, match="the encoder's range, found"):
            encoder.check(far)
    else:
        encoder.check(far)
    assert encoder.union(CropEncoder(reach=math.inf)).inside is False  # type: ignore[attr-defined]


def test_boxes_in_pixels_are_still_refused() -> None:
    with pytest.raises(RecordError, match="the encoder's range, found"):
        CropEncoder().check(view([12.0, 30.0, 160.0, 140.0]))


@pytest.mark.parametrize("reach", [-0.1, math.nan, "far", None])
def test_reach_is_a_fraction(reach: Any) -> None:
    with pytest.raises(EncoderError, match="reach expected a fraction"):
        CropEncoder(reach)


class Recorder:
    """Says which records will come."""

    def __init__(self, reach: float) -> None:
        self.encoders = (CropEncoder(reach),)
        self.layout = {**CropEncoder(reach).fields, **FlipEncoder().fields}


@pytest.mark.parametrize(
    ("loss", "pipeline", "fits"),
    [(0, 0, True), (1, 0, True), (1, math.inf, True), (math.inf, 1, True), (0, 1, False)],
)
def test_only_a_loss_for_boxes_inside_refuses_others(
    loss: float, pipeline: float, fits: bool
) -> None:
    augself = AugSelfLoss(8, {"crop": 1.0}, encoders=[CropEncoder(loss)])
    if fits:
        augself.check_recorder(Recorder(pipeline))
    else:
        with pytest.raises(EncoderError, match=r"encoders=recorder\.encoders"):
            augself.check_recorder(Recorder(pipeline))


def test_targets_beyond_the_image_by_hand() -> None:
    # Along y they span -0.5 … 2 with the image: 2.5; along x 0 … 1.
    one, two = view([-0.5, 0.0, 1.0, 1.0]), view([1.0, 0.0, 1.0, 0.5])
    assert CropEncoder().difference(one, two).tolist() == [
        pytest.approx([-1.5 / 2.5, 0.25, 0.0, 0.5])
    ]
    assert CropEncoder(0).difference(one, view(WHOLE)).tolist() == [[-0.5, 0.0, 0.0, 0.0]]


corner = st.floats(-30, 30, width=32)
length = st.floats(0.0625, 40, width=32)
boxes = st.tuples(corner, corner, length, length).map(list)
inner = st.tuples(*[st.floats(0, 1, width=32)] * 4).map(
    lambda b: [b[0] * (1 - b[2]), b[1] * (1 - b[3]), b[2], b[3]]
)
bits = st.sampled_from([0.0, 1.0])


@given(one=boxes, two=boxes, flip=bits, vertical=bits, reach=st.sampled_from([1.0, math.inf]))
def test_no_target_is_beyond_tanh_and_the_second_box_comes_back(
    one: list[float], two: list[float], flip: float, vertical: float, reach: float
) -> None:
    encoder = CropEncoder(reach)
    first, second = view(one, flip, vertical), view(two)
    target = encoder.difference(first, second)
    assert target.abs().max() <= 1 + 1e-5
    back = encoder.second_box(first, target)
    torch.testing.assert_close(back, second["crop"], atol=2e-2, rtol=1e-3)


@given(one=inner, two=inner, flip=bits)
def test_inside_of_the_image_nothing_is_divided(
    one: list[float], two: list[float], flip: float
) -> None:
    first, second = view(one, flip), view(two)
    plain = CropEncoder(0).difference(first, second)
    assert torch.equal(CropEncoder().difference(first, second), plain)
    assert torch.equal(CropEncoder(math.inf).difference(first, second), plain)


@given(predicted=st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), one=boxes)
def test_a_predicted_difference_gives_a_finite_box(
    predicted: list[float], one: list[float]
) -> None:
    assert CropEncoder().second_box(view(one), torch.tensor([predicted])).isfinite().all()
