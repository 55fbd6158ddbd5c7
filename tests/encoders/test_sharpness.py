from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import Encoder, EncoderError, SharpnessEncoder
from augself_loss.encoders.base import Step


def test_target_by_hand() -> None:
    one, two = {"sharpness": torch.tensor([[1.5]])}, {"sharpness": torch.tensor([[1.0]])}
    assert SharpnessEncoder((0.0, 2.0)).difference(one, two).tolist() == [[0.25]]


def test_one_fixed_value_against_the_identity() -> None:
    encoder = SharpnessEncoder(0.5)
    assert encoder.ranges == ((0.5, 0.5),)
    assert encoder.span(0) == abs(1.0 - 0.5)


@pytest.mark.parametrize("sharpness", [1.0, (1.0, 1.0), None, "sharpness"])
def test_values_that_carry_no_target(sharpness: Any) -> None:
    with pytest.raises(EncoderError, match="sharpness"):
        SharpnessEncoder(sharpness)


def test_read(read: Callable[..., list[Any]]) -> None:
    params = {"sharpness": torch.tensor([2.0, 5.0])}
    assert read(SharpnessEncoder, "kornia", "RandomSharpness", params) == [[2.0, 5.0]]
    config = {"sharpness_factor": 2}
    assert read(SharpnessEncoder, "torchvision", "RandomAdjustSharpness", {}, config) == [2.0]


@pytest.mark.parametrize(
    ("host", "transform", "config", "expected"),
    [
        ("kornia", "RandomSharpness", {"sharpness": (0.0, 2.0)}, (0.0, 2.0)),
        ("torchvision", "RandomAdjustSharpness", {"sharpness_factor": 2}, (2.0, 2.0)),
    ],
)
def test_build(
    built: Callable[..., Encoder], host: str, transform: str, config: dict[str, Any], expected: Any
) -> None:
    assert built(SharpnessEncoder, host, transform, config).ranges == (expected,)


def test_write() -> None:
    values = torch.tensor([2.0, 5.0])
    step = Step("RandomSharpness", {}, {}, (4, 4))
    written = SharpnessEncoder.kornia_writers["RandomSharpness"]({"sharpness": (values,)}, step)
    assert written["sharpness"].tolist() == [2, 5]
