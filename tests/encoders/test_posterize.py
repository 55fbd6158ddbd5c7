from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import Encoder, EncoderError, PosterizeEncoder
from augself_loss.encoders.base import Step


def test_target_by_hand() -> None:
    one, two = {"posterize": torch.tensor([[4.5]])}, {"posterize": torch.tensor([[8.0]])}
    assert PosterizeEncoder((1.0, 8.0)).difference(one, two).tolist() == [[-0.5]]


def test_one_fixed_value_against_the_identity() -> None:
    encoder = PosterizeEncoder(3)
    assert encoder.ranges == ((3.0, 3.0),)
    assert encoder.span(0) == abs(8.0 - 3)


@pytest.mark.parametrize("bits", [8.0, (8.0, 8.0), None, "bits"])
def test_values_that_carry_no_target(bits: Any) -> None:
    with pytest.raises(EncoderError, match="bits"):
        PosterizeEncoder(bits)


def test_read(read: Callable[..., list[Any]]) -> None:
    params = {"bits_factor": torch.tensor([2.0, 5.0])}
    assert read(PosterizeEncoder, "kornia", "RandomPosterize", params) == [[2.0, 5.0]]
    config = {"bits": 2}
    assert read(PosterizeEncoder, "torchvision", "RandomPosterize", {}, config) == [2.0]


@pytest.mark.parametrize(
    ("host", "transform", "config", "expected"),
    [
        ("kornia", "RandomPosterize", {"bit": (1.0, 8.0)}, (1.0, 8.0)),
        ("torchvision", "RandomPosterize", {"bits": 2}, (2.0, 2.0)),
    ],
)
def test_build(
    built: Callable[..., Encoder], host: str, transform: str, config: dict[str, Any], expected: Any
) -> None:
    assert built(PosterizeEncoder, host, transform, config).ranges == (expected,)


def test_write() -> None:
    values = torch.tensor([2.0, 5.0])
    step = Step("RandomPosterize", {}, {}, (4, 4))
    written = PosterizeEncoder.kornia_writers["RandomPosterize"]({"posterize": (values,)}, step)
    assert written["bits_factor"].tolist() == [2, 5]
