from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import Step, VerticalFlipEncoder


@pytest.mark.parametrize(
    ("host", "transform"), [("kornia", "RandomVerticalFlip"), ("torchvision", "RandomVerticalFlip")]
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(VerticalFlipEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomVerticalFlip", {}, {}, (4, 4))
    assert (
        VerticalFlipEncoder.kornia_writers["RandomVerticalFlip"]({"vertical_flip": (1.0,)}, step)
        == {}
    )
