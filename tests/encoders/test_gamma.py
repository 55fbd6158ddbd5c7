from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import Encoder, EncoderError, GammaEncoder
from augself_loss.encoders.base import Step


def test_target_by_hand() -> None:
    one, two = {"gamma": torch.tensor([[1.5, 1.0]])}, {"gamma": torch.tensor([[0.75, 2.0]])}
    assert GammaEncoder().difference(one, two).tolist() == [[0.75]]
    assert GammaEncoder((0.5, 1.5), 1.0).difference(one, two).tolist() == [[0.75, -0.5]]


def test_ranges_as_users_write_them() -> None:
    assert GammaEncoder(0.5, None).ranges == ((0.5, 1.5), None)
    assert GammaEncoder(None, (1.5, 2.0)).ranges == (None, (1.5, 2.0))


@pytest.mark.parametrize("arguments", [(None, None), ((1.0, 1.0), None), (0.0, None)])
def test_ranges_that_carry_no_target(arguments: Any) -> None:
    with pytest.raises(EncoderError, match="gamma"):
        GammaEncoder(*arguments)


def test_read_and_write(read: Callable[..., list[Any]]) -> None:
    params = {"gamma_factor": torch.tensor([0.5, 1.5]), "gain_factor": torch.tensor([1.0, 2.0])}
    assert read(GammaEncoder, "kornia", "RandomGamma", params) == [[0.5, 1.5], [1.0, 2.0]]
    written = GammaEncoder.kornia_writers["RandomGamma"](
        {"gamma": tuple(params.values())}, Step("RandomGamma", {}, {}, (4, 4))
    )
    assert all(written[name].equal(value) for name, value in params.items())


def test_build(built: Callable[..., Encoder]) -> None:
    config = {"gamma_factor": (0.5, 1.5), "gain_factor": (1.0, 1.0)}
    assert built(GammaEncoder, "kornia", "RandomGamma", config).ranges == ((0.5, 1.5), None)
