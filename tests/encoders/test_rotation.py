from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import RotationEncoder
from augself_loss.encoders.base import Step


@pytest.mark.parametrize("one", range(4))
@pytest.mark.parametrize("two", range(4))
def test_target_turns_the_second_view_into_the_first(one: int, two: int) -> None:
    image = torch.arange(16).view(4, 4)
    target = RotationEncoder().difference(
        {"rotation": torch.tensor([[float(one)]])}, {"rotation": torch.tensor([[float(two)]])}
    )
    first, second = torch.rot90(image, one), torch.rot90(image, two)
    assert torch.rot90(second, int(target)).equal(first)


def test_absolute_is_the_class() -> None:
    turns = {"rotation": torch.tensor([[0.0], [3.0], [1.0]])}
    assert RotationEncoder().absolute(turns).tolist() == [0, 3, 1]


def test_loss_of_a_blind_head() -> None:
    blind = torch.zeros(2, 4)
    assert RotationEncoder().loss(blind, torch.tensor([0, 3])) == pytest.approx(1.3862944)


@pytest.mark.parametrize(
    ("host", "transform", "params", "config", "expected"),
    [
        ("kornia", "RandomRotation90", {"times": torch.tensor([0.9, 3.0, -1.0, 4.0])}, {},
         [1.0, 3.0, 3.0, 0.0]),
        ("kornia", "RandomRotation", {}, {"degrees": (90.0, 90.0)}, 1.0),
        ("torchvision", "RandomRotation", {}, {"degrees": [-90.0, -90.0]}, 3.0),
    ],
)  # fmt: skip
def test_read(
    read: Callable[..., list[Any]],
    host: str,
    transform: str,
    params: dict[str, Any],
    config: dict[str, Any],
    expected: Any,
) -> None:
    assert read(RotationEncoder, host, transform, params, config) == [expected]


@pytest.mark.parametrize(
    ("degrees", "taken"),
    [((90.0, 90.0), True), ((180, 180), True), ((-30.0, 30.0), False), ((45.0, 45.0), False)],
)
def test_takes_fixed_quarter_turns_only(degrees: tuple[float, float], taken: bool) -> None:
    step = Step("RandomRotation", {}, {"degrees": degrees}, (0, 0))
    assert RotationEncoder.takes(step) is taken
    assert RotationEncoder.takes(Step("RandomRotation90", {}, {}, (0, 0)))
