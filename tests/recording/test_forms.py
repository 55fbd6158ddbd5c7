"""What rows are shown as."""

from __future__ import annotations

import copy
import pickle

import torch

from augself_loss.encoders import ColorEncoder, FlipEncoder
from augself_loss.parameters import pack
from augself_loss.recording.forms import PackedForm, RecordForm
from augself_loss.recording.packed import to_bits

LAYOUT = {**FlipEncoder().fields, **ColorEncoder().fields}
SIGNALLING = 0x7FA00000
"""A mark which, read as float32, is a signalling NaN: to compute with it changes its bits."""


def test_what_is_written_is_shown() -> None:
    form = RecordForm(LAYOUT)
    row, record = form.take()
    row[form.starts["color"] + 1] = 1.5
    assert list(record) == list(LAYOUT)
    assert record["color"].tolist() == [1.0, 1.5, 1.0, 0.0]
    rows = torch.frombuffer(row, dtype=torch.float32).expand(3, -1)
    batch = form.batch(rows)
    assert batch["color"].equal(record["color"].expand(3, -1))
    assert batch["color"].is_contiguous()


def test_packed_records_end_with_their_mark() -> None:
    form = PackedForm(LAYOUT, SIGNALLING, 2)
    record = RecordForm(LAYOUT).take()[1]
    expected = torch.stack([to_bits(pack(record, LAYOUT), SIGNALLING)] * 2)
    for one in (form, copy.deepcopy(form), pickle.loads(pickle.dumps(form))):
        assert one.take()[1].equal(expected)


def test_rows_of_one_batch_have_one_form() -> None:
    record, flips = RecordForm(LAYOUT), RecordForm(FlipEncoder().fields)
    two, three = (PackedForm(LAYOUT, 1, views) for views in (2, 3))
    assert record.fits(RecordForm(dict(LAYOUT)))
    assert two.fits(PackedForm(LAYOUT, 2, 2))
    assert not any(one.fits(other) for one, other in [(record, flips), (two, three), (record, two)])
