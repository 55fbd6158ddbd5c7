from collections.abc import Callable
from math import cos, radians, sin, tan
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AffineEncoder, Encoder, EncoderError

COLUMNS = (20.0, 0.1, -0.2, 0.8, 0.8, 10.0, -5.0)


def moved(points: Tensor, columns: tuple[Any, ...]) -> Tensor:
    """Move points (x right, y down, about the centre) as torchvision's affine does."""
    angle, move_x, move_y, scale_x, scale_y, shear_x, shear_y = map(float, columns)
    turn, over_x, over_y = radians(-angle), radians(shear_x), radians(shear_y)
    rows = [
        [cos(turn - over_y) / cos(over_y),
         -cos(turn - over_y) * tan(over_x) / cos(over_y) - sin(turn)],
        [sin(turn - over_y) / cos(over_y),
         -sin(turn - over_y) * tan(over_x) / cos(over_y) + cos(turn)],
    ]  # fmt: skip
    matrix = torch.tensor(rows) * torch.tensor([scale_x, scale_y])
    return points @ matrix.T + torch.tensor([move_x, move_y])


@pytest.mark.parametrize("vertical", [0, 1])
@pytest.mark.parametrize("horizontal", [0, 1])
def test_mirror_moves_points_as_before_the_flip(horizontal: int, vertical: int) -> None:
    points = torch.tensor([[0.3, 0.4], [-0.2, 0.1], [0.0, 0.5]])
    flip = torch.tensor([1.0 - 2 * horizontal, 1.0 - 2 * vertical])
    mirrored = AffineEncoder().mirror(COLUMNS, horizontal, vertical)
    torch.testing.assert_close(moved(points, COLUMNS) * flip, moved(points * flip, mirrored))


def test_target_by_hand() -> None:
    encoder = AffineEncoder((-30.0, 30.0), scale_x=(0.5, 1.0), shear_y=(-10.0, 10.0))
    identity = torch.tensor([encoder.identity])
    target = encoder.difference({"affine": torch.tensor([COLUMNS])}, {"affine": identity})
    assert target[0].tolist() == pytest.approx([1 / 3, -0.4, -0.25])


@pytest.mark.parametrize("arguments", [{"angle": None}, {"scale_x": (1.0, 1.0)}])
def test_ranges_that_carry_no_target(arguments: dict[str, Any]) -> None:
    with pytest.raises(EncoderError, match="scale_x"):
        AffineEncoder(**arguments)


def test_read_kornia(read: Callable[..., list[Any]]) -> None:
    params = {
        "angle": torch.tensor([-20.0]), "translations": torch.tensor([[20.0, -20.0]]),
        "scale": torch.tensor([[0.8, 0.8]]), "shear_x": torch.tensor([10.0]),
        "shear_y": torch.tensor([-5.0]),
    }  # fmt: skip
    columns = torch.tensor(read(AffineEncoder, "kornia", "RandomAffine", params))
    assert columns.flatten().tolist() == pytest.approx(COLUMNS)


def test_read_torchvision(read: Callable[..., list[Any]]) -> None:
    params = {"angle": -20.0, "translate": (20, -20), "scale": 0.8, "shear": (10.0, -5.0)}
    columns = read(AffineEncoder, "torchvision", "RandomAffine", params)
    assert columns == pytest.approx(COLUMNS)


@pytest.mark.parametrize(
    ("host", "config", "expected"),
    [
        ("kornia", {"degree": (-10.0, 20.0), "translate_x": (-0.1, 0.1), "scale_2": (0.8, 1.2)},
         ((-20.0, 20.0), (-0.1, 0.1), None, (0.8, 1.2), (0.8, 1.2), None, None)),
        ("torchvision", {"degrees": [0.0, 0.0], "translate": (0.1, 0.2), "scale": None,
                         "shear": [-5.0, 5.0]},
         (None, (-0.1, 0.1), (-0.2, 0.2), None, None, (-5.0, 5.0), None)),
        ("torchvision", {"degrees": [-9.0, 9.0], "translate": None, "scale": (0.5, 1.0),
                         "shear": None},
         ((-9.0, 9.0), None, None, (0.5, 1.0), (0.5, 1.0), None, None)),
    ],
)  # fmt: skip
def test_build(
    built: Callable[..., Encoder], host: str, config: dict[str, Any], expected: Any
) -> None:
    assert built(AffineEncoder, host, "RandomAffine", config).ranges == expected


def test_differences_of_angles_go_the_short_way_round() -> None:
    encoder = AffineEncoder(angle=(-180.0, 180.0), translate_x=(-0.5, 0.5))
    first = {"affine": torch.tensor([[170.0, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0]])}
    second = {"affine": torch.tensor([[-170.0, -0.5, 0.0, 1.0, 1.0, 0.0, 0.0]])}
    torch.testing.assert_close(encoder.difference(first, second), torch.tensor([[-20 / 360, 1.0]]))
