from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import EqualizeEncoder, Step


@pytest.mark.parametrize(
    ("host", "transform"), [("kornia", "RandomEqualize"), ("torchvision", "RandomEqualize")]
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(EqualizeEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomEqualize", {}, {}, (4, 4))
    assert EqualizeEncoder.kornia_writers["RandomEqualize"]({"equalize": (1.0,)}, step) == {}
