from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import ColorEncoder, ColorJiggleEncoder
from augself_loss.encoders.base import Step

JIGGLE = {f"{name}_factor": torch.tensor([1.5]) for name in ColorJiggleEncoder.columns}


def test_it_keeps_a_record_of_its_own() -> None:
    entry = torch.tensor([[1.4, 1.0, 1.0, 0.0]])
    identity = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    jiggle = ColorJiggleEncoder().difference(
        {"color_jiggle": entry, "color": identity}, {"color_jiggle": identity, "color": entry}
    )
    jitter = ColorEncoder().difference({"color": entry}, {"color": identity})
    assert jiggle.equal(jitter)
    assert set(ColorJiggleEncoder().fields).isdisjoint(ColorEncoder().fields)
    assert not ColorJiggleEncoder.torchvision


def test_read_kornia(read: Callable[..., list[Any]]) -> None:
    params = {**JIGGLE, "order": torch.tensor([2, 0, 3, 1])}
    assert read(ColorJiggleEncoder, "kornia", "ColorJiggle", params) == [[1.5]] * 4


@pytest.mark.parametrize("index", range(4))
def test_one_factor_alone(read: Callable[..., list[Any]], index: int) -> None:
    name = ColorJiggleEncoder.columns[index]
    transform = f"Random{name.capitalize()}"
    params = {f"{name}_factor": torch.tensor([0.5, 1.5])}
    columns = read(ColorJiggleEncoder, "kornia", transform, params)
    assert columns == [[0.5, 1.5] if i == index else None for i in range(4)]
    written = ColorJiggleEncoder.kornia_writers[transform](
        {"color_jiggle": tuple(torch.full((2,), float(i)) for i in range(4))},
        Step(transform, {}, {}, (4, 4)),
    )
    assert {key: value.tolist() for key, value in written.items()} == {
        f"{name}_factor": [index, index]
    }
