"""The maps that geometric types undo: their algebra, and that each can be inverted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import Encoder, Record, RecordError, RegressionEncoder
from augself_loss.encoders import BUILT_IN
from augself_loss.encoders.maps import Canvas, as_matrix, inverse, product

Make = Callable[..., Record]
GEOMETRIC = [kind() for kind in BUILT_IN if kind.moves]
LIBRARIES = pytest.mark.parametrize("library", ["kornia", "torchvision", "albumentations"])
ENCODERS = pytest.mark.parametrize("encoder", GEOMETRIC, ids=lambda encoder: encoder.name)
EYE = torch.eye(3).double().expand(6, 3, 3)


def canvas(library: Any) -> Canvas:
    return Canvas((32.0, 48.0), (20.0, 30.0), library, library == "kornia")


def test_products_and_inverses_are_torchs() -> None:
    first, second = torch.rand(2, 5, 3, 3, dtype=torch.float64) + torch.eye(3).double()
    assert torch.allclose(product(first, second), first @ second, atol=1e-12)
    assert torch.allclose(inverse(first), torch.linalg.inv(first), atol=1e-9)
    assert product(first[:0], second[:0]).shape == inverse(first[:0]).shape == (0, 3, 3)


def test_numbers_hold_for_the_whole_batch() -> None:
    made = as_matrix(torch.tensor([1.0, 2.0]), 0.0, 3.0, 0.0, 4.0, 5.0)
    assert made.tolist()[1] == [[2, 0, 3], [0, 4, 5], [0, 0, 1]]


@LIBRARIES
@ENCODERS
def test_what_was_not_applied_moves_nothing(library: str, encoder: Encoder) -> None:
    identity = torch.tensor(encoder.identity).double().expand(6, -1)
    found = encoder.undo({encoder.name: identity}, canvas(library))
    whole = encoder.name == "crop" and library == "kornia"  # enlarged, its rim shows less
    assert torch.allclose(found, EYE, atol=0.03 if whole else 1e-12)


@LIBRARIES
@ENCODERS
def test_each_type_has_an_inverse(library: str, encoder: Encoder, make_record: Make) -> None:
    record = {encoder.name: make_record(encoder, 6)[encoder.name].double()}
    undone = encoder.undo(record, canvas(library))
    assert undone.dtype == torch.float64
    assert torch.allclose(product(inverse(undone), undone), EYE, atol=1e-9)
    assert not torch.allclose(undone, EYE, atol=0.05)


def test_a_type_that_does_not_say_where_to_is_refused() -> None:
    class Wave(RegressionEncoder):
        name, columns, identity = "wave", ("wave",), (0.0,)

    with pytest.raises(RecordError, match="'wave' moves pixels, and Wave expected a method undo"):
        Wave((0.0, 1.0)).undo({"wave": torch.zeros(1, 1)}, canvas("kornia"))
