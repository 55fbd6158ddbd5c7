from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import CropEncoder, Record


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
