from collections.abc import Callable
from typing import Any

import pytest

from augself_loss import AutocontrastEncoder, Step


@pytest.mark.parametrize(
    ("host", "transform"), [("kornia", "RandomAutoContrast"), ("torchvision", "RandomAutocontrast")]
)
def test_read(read: Callable[..., list[Any]], host: str, transform: str) -> None:
    assert read(AutocontrastEncoder, host, transform) == [1.0]


def test_write_needs_no_parameter() -> None:
    step = Step("RandomAutoContrast", {}, {}, (4, 4))
    assert (
        AutocontrastEncoder.kornia_writers["RandomAutoContrast"]({"autocontrast": (1.0,)}, step)
        == {}
    )
