from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import InvertEncoder, Step


@pytest.mark.parametrize(
    ("host", "transform"), [("kornia", "RandomInvert"), ("torchvision", "RandomInvert")]
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(InvertEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomInvert", {}, {}, (4, 4))
    assert InvertEncoder.kornia_writers["RandomInvert"]({"invert": (1.0,)}, step) == {}
