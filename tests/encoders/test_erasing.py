from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import ErasingEncoder
from augself_loss.encoders.base import Step

SIZE = 20


def painted(box: tuple[float, ...]) -> Tensor:
    """Paint a box into an image."""
    image = torch.zeros(SIZE, SIZE)
    top, left, height, width = (round(SIZE * float(side)) for side in box)
    image[top : top + height, left : left + width] = 1
    return image


@pytest.mark.parametrize("vertical", [0, 1])
@pytest.mark.parametrize("horizontal", [0, 1])
@pytest.mark.parametrize("box", [(0.1, 0.3, 0.25, 0.5), (0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 0.1, 0.2)])
def test_mirror_moves_the_box_as_the_flip_moves_the_pixels(
    box: tuple[float, ...], horizontal: int, vertical: int
) -> None:
    columns = tuple(torch.tensor(side) for side in box)
    mirrored = ErasingEncoder().mirror(columns, horizontal, vertical)
    axes = [axis for axis, flipped in ((0, vertical), (1, horizontal)) if flipped]
    assert painted(mirrored).equal(painted(box).flip(axes))


@pytest.mark.parametrize("gate", [0.0, 1.0, torch.tensor([0.0, 1.0])])
def test_an_empty_box_stays_the_identity(gate: Any) -> None:
    empty = (torch.zeros(2),) * 4
    assert all(column.eq(0).all() for column in ErasingEncoder().mirror(empty, gate, gate))


def test_target_by_hand() -> None:
    one = {"erasing": torch.tensor([[0.5, 0.25, 0.25, 0.5]])}
    two = {"erasing": torch.zeros(1, 4)}
    assert ErasingEncoder().difference(one, two).tolist() == [[0.5, 0.25, 0.25, 0.5]]


def test_read_and_write_kornia(read: Callable[..., list[Any]]) -> None:
    sides = {"ys": 10.0, "xs": 20.0, "heights": 50.0, "widths": 40.0}
    params = {name: torch.tensor([side]) for name, side in sides.items()}
    columns = read(ErasingEncoder, "kornia", "RandomErasing", params)
    assert torch.tensor(columns).flatten().tolist() == pytest.approx([0.1, 0.1, 0.5, 0.2])
    written = ErasingEncoder.kornia_writers["RandomErasing"](
        {"erasing": tuple(torch.tensor(column) for column in columns)},
        Step("RandomErasing", {}, {"value": 0.5}, (100, 200)),
    )
    assert {name: float(written[name]) for name in sides} == sides
    assert float(written["values"]) == 0.5


@pytest.mark.parametrize(
    ("box", "expected"),
    [((10, 20, 50, 40), [0.1, 0.1, 0.5, 0.2]), ((0, 0, 100, 200), [0.0, 0.0, 0.0, 0.0])],
)
def test_read_torchvision(
    read: Callable[..., list[Any]], box: tuple[int, ...], expected: list[float]
) -> None:
    params = dict(zip("ijhw", box, strict=True))
    columns = read(ErasingEncoder, "torchvision", "RandomErasing", params)
    assert columns == pytest.approx(expected)
