from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import GrayscaleEncoder, Step


@pytest.mark.parametrize(
    ("host", "transform"), [("kornia", "RandomGrayscale"), ("torchvision", "RandomGrayscale")]
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(GrayscaleEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomGrayscale", {}, {}, (4, 4))
    assert GrayscaleEncoder.kornia_writers["RandomGrayscale"]({"grayscale": (1.0,)}, step) == {}
