"""Rows of numbers, and the tensors that show them."""

from __future__ import annotations

import copy
import pickle

import torch
from torch import Tensor

from augself_loss.encoders import ColorEncoder
from augself_loss.recording.rows import AT_ONCE, Blanks, Row, identity_row, starts_of, write

LAYOUT = ColorEncoder().fields


def blank() -> tuple[Row, Tensor]:
    row = identity_row(LAYOUT)
    return row, torch.frombuffer(row, dtype=torch.float32)


def test_a_column_that_no_step_writes_is_the_identity() -> None:
    row = identity_row(LAYOUT)
    write(row, starts_of(LAYOUT), {"color": (None, 1.5, None, 0.25), "unknown": (3.0,)})
    assert list(row) == [1.0, 1.5, 1.0, 0.25, 0.0, 1.0, 2.0, 3.0]


def test_a_row_may_begin_anywhere() -> None:
    row = identity_row(LAYOUT) * 2
    write(row, starts_of(LAYOUT, at=8), {"color": (None, 1.5, None, 0.25)})
    assert list(row[:8]) == list(identity_row(LAYOUT))
    assert list(row[8:12]) == [1.0, 1.5, 1.0, 0.25]


def test_every_blank_is_one_of_its_own() -> None:
    blanks, taken = Blanks[Tensor](), []
    for number in range(2 * AT_ONCE + 3):
        row, shown = blanks.take(blank)
        row[0] = number
        taken.append(shown)
    assert [float(shown[0]) for shown in taken] == list(range(2 * AT_ONCE + 3))
    assert all(shown.untyped_storage().nbytes() == 4 * 8 for shown in taken)


def test_what_is_made_ahead_in_inference_mode_is_no_inference_tensor() -> None:
    blanks = Blanks[Tensor]()
    with torch.inference_mode():
        blanks.take(blank)
    _, shown = blanks.take(blank)
    assert not shown.is_inference()


def test_a_copy_has_blanks_of_its_own() -> None:
    blanks = Blanks[Tensor]()
    blanks.take(blank)
    for again in (copy.deepcopy(blanks), pickle.loads(pickle.dumps(blanks))):
        assert not again._stock
