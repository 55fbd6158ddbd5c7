"""What binary encoders share, and the six of them that read nothing but that a step ran."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import (
    AutocontrastEncoder,
    BinaryEncoder,
    EqualizeEncoder,
    FlipEncoder,
    GrayscaleEncoder,
    InvertEncoder,
    VerticalFlipEncoder,
)
from augself_loss.encoders import applied
from augself_loss.encoders.base import Step

TRANSFORMS: dict[type[BinaryEncoder], dict[str, str]] = {
    FlipEncoder: {"kornia": "RandomHorizontalFlip", "torchvision": "RandomHorizontalFlip"},
    VerticalFlipEncoder: {"kornia": "RandomVerticalFlip", "torchvision": "RandomVerticalFlip"},
    GrayscaleEncoder: {"kornia": "RandomGrayscale", "torchvision": "RandomGrayscale"},
    AutocontrastEncoder: {"kornia": "RandomAutoContrast", "torchvision": "RandomAutocontrast"},
    EqualizeEncoder: {"kornia": "RandomEqualize", "torchvision": "RandomEqualize"},
    InvertEncoder: {"kornia": "RandomInvert", "torchvision": "RandomInvert"},
}


class Wavy(BinaryEncoder):
    name = "wavy"
    columns = ("wavy",)


@pytest.mark.parametrize(
    ("one", "two", "same"), [(0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]
)
def test_target_says_whether_two_views_agree(one: float, two: float, same: float) -> None:
    target = Wavy().difference({"wavy": torch.tensor([[one]])}, {"wavy": torch.tensor([[two]])})
    assert target.tolist() == [[same]]


def test_absolute_says_where_it_was_applied() -> None:
    assert Wavy().absolute({"wavy": torch.tensor([[0.0], [1.0]])}).tolist() == [[0.0], [1.0]]


def test_loss_stays_finite_for_sure_predictions() -> None:
    loss = Wavy().loss(torch.tensor([[200.0], [-200.0]]), torch.tensor([[0.0], [0.0]]))
    assert loss == pytest.approx(100.0)


def test_applied_reads_nothing_but_that_it_ran() -> None:
    assert applied("wavy")(Step("Wave", {}, {}, (4, 4))) == {"wavy": (1.0,)}


@pytest.mark.parametrize("host", ["kornia", "torchvision"])
@pytest.mark.parametrize("kind", TRANSFORMS)
def test_read(read: Callable[..., list[Any]], kind: type[BinaryEncoder], host: str) -> None:
    assert read(kind, host, TRANSFORMS[kind][host]) == [1.0]


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_write_needs_no_parameter(kind: type[BinaryEncoder]) -> None:
    transform = TRANSFORMS[kind]["kornia"]
    step = Step(transform, {}, {}, (4, 4))
    assert kind.kornia_writers[transform]({kind.name: (1.0,)}, step) == {}
