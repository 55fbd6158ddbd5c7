from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AngleEncoder, Encoder, EncoderError
from augself_loss.encoders.base import Step


def turned(points: Tensor, degrees: float) -> Tensor:
    """Turn points (x right, y up) counter-clockwise about the centre."""
    angle = torch.deg2rad(torch.tensor(degrees))
    cos, sin = angle.cos(), angle.sin()
    return points @ torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])


@pytest.mark.parametrize("vertical", [0, 1])
@pytest.mark.parametrize("horizontal", [0, 1])
def test_mirror_turns_the_other_way(horizontal: int, vertical: int) -> None:
    points = torch.tensor([[0.3, 0.4], [-0.2, 0.1]])
    flip = torch.tensor([1.0 - 2 * horizontal, 1.0 - 2 * vertical])
    (mirrored,) = AngleEncoder().mirror((25.0,), horizontal, vertical)
    torch.testing.assert_close(turned(points, 25.0) * flip, turned(points * flip, mirrored))


def test_target_by_hand() -> None:
    one, two = {"angle": torch.tensor([[30.0]])}, {"angle": torch.tensor([[-15.0]])}
    assert AngleEncoder(30).difference(one, two).tolist() == [[0.75]]
    assert AngleEncoder((0, 90)).difference(one, two).tolist() == [[0.5]]


@pytest.mark.parametrize("degrees", [0, (0.0, 0.0), None, "30"])
def test_degrees_that_carry_no_target(degrees: Any) -> None:
    with pytest.raises(EncoderError, match="degrees"):
        AngleEncoder(degrees)


@pytest.mark.parametrize(
    ("host", "params", "expected"),
    [
        ("kornia", {"degrees": torch.tensor([-20.0, 10.0])}, [-20.0, 10.0]),
        ("torchvision", {"angle": 12.5}, 12.5),
    ],
)
def test_read(
    read: Callable[..., list[Any]], host: str, params: dict[str, Any], expected: Any
) -> None:
    assert read(AngleEncoder, host, "RandomRotation", params) == [expected]


@pytest.mark.parametrize("host", ["kornia", "torchvision"])
def test_build_holds_both_signs(built: Callable[..., Encoder], host: str) -> None:
    encoder = built(AngleEncoder, host, "RandomRotation", {"degrees": (-10.0, 40.0)})
    assert encoder.ranges == ((-40.0, 40.0),)


@pytest.mark.parametrize(("degrees", "taken"), [((90.0, 90.0), False), ((0.0, 90.0), True)])
def test_leaves_fixed_quarter_turns_alone(degrees: tuple[float, float], taken: bool) -> None:
    assert AngleEncoder.takes(Step("RandomRotation", {}, {"degrees": degrees}, (0, 0))) is taken


@pytest.mark.parametrize(
    ("degrees", "first", "second", "target"),
    [
        (180, 170.0, -170.0, -20 / 360),  # 340° one way round are 20° the other
        (180, -170.0, 170.0, 20 / 360),
        (180, 90.0, -45.0, 135 / 360),
        (360, 350.0, 5.0, -15 / 720),
        (90, 80.0, -80.0, 160 / 180),  # half a turn: there is no shorter way
    ],
)
def test_differences_go_the_short_way_round(
    degrees: float, first: float, second: float, target: float
) -> None:
    records = [{"angle": torch.tensor([[value]])} for value in (first, second)]
    assert AngleEncoder(degrees).difference(*records).item() == pytest.approx(target)
