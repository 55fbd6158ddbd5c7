from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import BlurEncoder, Encoder, EncoderError
from augself_loss.encoders.base import Step


@pytest.mark.parametrize(("preset", "expected"), [("default", 0.75), ("paper", 1.5)])
def test_target_by_hand(preset: Any, expected: float) -> None:
    encoder = BlurEncoder(sigma=(0.1, 2.0)).under(preset)
    one, two = {"blur": torch.tensor([[1.5]])}, {"blur": torch.tensor([[0.0]])}
    assert encoder.difference(one, two).tolist() == [[expected]]
    assert encoder.absolute(one).tolist() == [[expected]]


def test_one_fixed_sigma() -> None:
    assert BlurEncoder(sigma=3).ranges == ((3.0, 3.0),)
    assert BlurEncoder(sigma=3).span(0) == 3.0


@pytest.mark.parametrize("sigma", [0.0, (0.0, 0.0), (2.0, 0.1), None, "2", float("nan")])
def test_sigma_that_carries_no_target(sigma: Any) -> None:
    with pytest.raises(EncoderError, match="sigma"):
        BlurEncoder(sigma=sigma)


@pytest.mark.parametrize(
    ("host", "transform", "sigma", "expected"),
    [
        ("kornia", "RandomGaussianBlur", torch.tensor([0.5, 1.5]), [0.5, 1.5]),
        ("torchvision", "GaussianBlur", 1.5, 1.5),
        ("torchvision", "GaussianBlur", [1.5, 1.5], 1.5),
    ],
)
def test_read(
    read: Callable[..., list[Any]], host: str, transform: str, sigma: Any, expected: Any
) -> None:
    assert read(BlurEncoder, host, transform, {"sigma": sigma}) == [expected]


@pytest.mark.parametrize(
    ("host", "transform", "sigma"),
    [("kornia", "RandomGaussianBlur", (0.1, 2.0)), ("torchvision", "GaussianBlur", [0.1, 2.0])],
)
def test_build(built: Callable[..., Encoder], host: str, transform: str, sigma: Any) -> None:
    assert built(BlurEncoder, host, transform, {"sigma": sigma}).ranges == ((0.1, 2.0),)


def test_write() -> None:
    sigma = torch.tensor([0.5, 1.5])
    step = Step("RandomGaussianBlur", {}, {}, (4, 4))
    written = BlurEncoder.kornia_writers["RandomGaussianBlur"]({"blur": (sigma,)}, step)
    assert written["sigma"].equal(sigma)
