from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import Encoder, EncoderError, SolarizeEncoder
from augself_loss.encoders.base import Step


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_target_by_hand(preset: Any) -> None:
    encoder = SolarizeEncoder(threshold=0.5).under(preset)
    one, two = {"solarize": torch.tensor([[0.5]])}, {"solarize": torch.tensor([[1.0]])}
    assert encoder.difference(one, two).tolist() == [[-0.5]]


def test_loss_compares_element_by_element() -> None:
    prediction, target = torch.zeros(3, 1), torch.tensor([[0.0], [0.0], [0.9]])
    assert SolarizeEncoder().loss(prediction, target) == pytest.approx(0.27)


@pytest.mark.parametrize("threshold", [1.0, (1.0, 1.0), (0.9, 0.1), None])
def test_threshold_that_carries_no_target(threshold: Any) -> None:
    with pytest.raises(EncoderError, match="threshold"):
        SolarizeEncoder(threshold=threshold)


def test_read_kornia(read: Callable[..., list[Any]]) -> None:
    params = {"thresholds": torch.tensor([0.3]), "additions": torch.tensor([0.1])}
    columns = read(SolarizeEncoder, "kornia", "RandomSolarize", params)
    assert columns == [[pytest.approx(0.3)]]
    step = Step("RandomSolarize", {}, {}, (4, 4))
    entries = {"solarize": (params["thresholds"],), "solarize_addition": (params["additions"],)}
    written = SolarizeEncoder.kornia_writers["RandomSolarize"](entries, step)
    assert all(written[name].equal(value) for name, value in params.items())


@pytest.mark.parametrize(
    ("threshold", "white", "expected"),
    [
        (0.5, 1.0, 0.5), (1, 1.0, 1.0), (127.5, 255.0, 0.5), (0.5, 255.0, 0.5 / 255),
        (1, 255.0, 1 / 255), (300, 255.0, 1.0), (-3, 255.0, 0.0), (32768, 65535.0, 32768 / 65535),
        (2**30, 2.0**31 - 1, 2**30 / (2**31 - 1)),
    ],
)  # fmt: skip
def test_read_torchvision(threshold: float, white: float, expected: float) -> None:
    step = Step("RandomSolarize", {}, {"threshold": threshold}, (4, 4), white)
    assert SolarizeEncoder.torchvision["RandomSolarize"](step) == {"solarize": (expected,)}
    low, high = SolarizeEncoder.from_torchvision(step).ranges[0] or (0.0, 0.0)
    assert low <= expected <= high


@pytest.mark.parametrize(
    ("host", "config", "expected"),
    [
        ("kornia", {"thresholds": (0.4, 0.6)}, (0.4, 0.6)),
        ("torchvision", {"threshold": 127.5}, (0.0, 1.0)),
        ("torchvision", {"threshold": 0.5}, (0.0, 1.0)),
        ("torchvision", {"threshold": 0}, (0.0, 0.0)),
    ],
)
def test_build(
    built: Callable[..., Encoder], host: str, config: dict[str, Any], expected: Any
) -> None:
    assert built(SolarizeEncoder, host, "RandomSolarize", config).ranges == (expected,)
