"""Parts of records exchanged, and the difference of two."""

from __future__ import annotations

import pytest
import torch

from augself_loss import (
    ColorEncoder,
    CropEncoder,
    Encoder,
    EncoderError,
    FlipEncoder,
    Record,
    RecordError,
    RotationEncoder,
)
from augself_loss.records import difference, exchanged

ENCODERS: list[Encoder] = [CropEncoder(), FlipEncoder(), ColorEncoder(), RotationEncoder()]


def record(seed: int, batch: int = 5) -> Record:
    draw = torch.Generator().manual_seed(seed)
    return {
        "crop": torch.rand(batch, 4, generator=draw),
        "flip": torch.randint(2, (batch, 1), generator=draw).float(),
        "color": 0.8 + 0.4 * torch.rand(batch, 4, generator=draw),
        "color_order": torch.randperm(4, generator=draw).float().expand(batch, 4),
        "rotation": torch.randint(4, (batch, 1), generator=draw).float(),
        "rotation_applied": torch.ones(batch, 1),
    }


def test_a_type_is_exchanged_whole() -> None:
    one, other = record(0), record(1)
    before = dict(one)
    new = exchanged(one, other, ENCODERS, ["color"])
    assert list(new) == list(one)
    for name, entry in new.items():
        assert entry is (other if name.startswith("color") else one)[name]
    assert all(one[name] is entry for name, entry in before.items())
    assert all(entry is other[name] for name, entry in exchanged(one, other, ENCODERS).items())


def test_the_difference_is_view_1_minus_view_2() -> None:
    one, other = record(0), record(1)
    made = difference(ENCODERS, one, other, ["flip", "color", "rotation"])
    assert made.shape == (5, 1 + 4 + 4)
    color = ColorEncoder()
    torch.testing.assert_close(made[:, 1:5], color.absolute(one) - color.absolute(other))
    assert torch.equal(made[:, :1], (one["flip"] == other["flip"]).float())
    turns = (one["rotation"] - other["rotation"]) % 4
    assert torch.equal(made[:, 5:].argmax(dim=1), turns[:, 0].long())
    torch.testing.assert_close(difference([color], one, other), -difference([color], other, one))
    assert difference(ENCODERS, one, other).shape == (5, 4 + 1 + 4 + 4)


@pytest.mark.parametrize("name", ["exchanged", "difference"])
def test_what_does_not_fit_is_refused(name: str) -> None:
    def call(one: Record, other: Record, types: list[str] | str | None = None) -> object:
        if name == "difference":
            return difference(ENCODERS, one, other, types)
        return exchanged(one, other, ENCODERS, types)

    one = record(0)
    with pytest.raises(
        RecordError, match=f"{name} expected records of the same batch, found 'crop'"
    ):
        call(one, record(1, batch=4))
    with pytest.raises(RecordError, match=f"{name} expected the entry 'flip' in both"):
        call(one, {"flip_": one["flip"]}, ["flip"])
    for types in (["blur"], [], "flip"):
        with pytest.raises(EncoderError, match="types expected names from the record"):
            call(one, one, types)
