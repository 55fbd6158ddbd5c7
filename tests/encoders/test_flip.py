from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import FlipEncoder, Step


@pytest.mark.parametrize(
    ("host", "transform"),
    [("kornia", "RandomHorizontalFlip"), ("torchvision", "RandomHorizontalFlip")],
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(FlipEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomHorizontalFlip", {}, {}, (4, 4))
    assert FlipEncoder.kornia_writers["RandomHorizontalFlip"]({"flip": (1.0,)}, step) == {}
