"""Readers that write straight into a row say the same as they do in words."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from augself_loss.encoders import default_encoders
from augself_loss.encoders.base import Step
from augself_loss.encoders.in_place import InPlace
from augself_loss.parameters import widths_of
from augself_loss.recording.rows import identity_row, starts_of, write

READERS = {
    f"{host} {name} {encoder.name}": (encoder, name, reader)
    for encoder in default_encoders().values()
    for host in ("torchvision", "albumentations")
    for name, reader in getattr(encoder, host).items()
    if isinstance(reader, InPlace)
}
"""Host, transform and type → its encoder, the transform, its reader."""


def drawn(rng: random.Random) -> Mapping[str, Any]:
    """Draw whatever some transform might."""
    factors = {
        f"{name}_factor": rng.choice([None, rng.random()])
        for name in ("brightness", "contrast", "saturation", "hue")
    }
    order = rng.sample(range(4), 4)
    return {
        "top": rng.randint(-3, 9), "left": rng.randint(-3, 9), "height": rng.randint(1, 9),
        "width": rng.randint(1, 9), "crop_coords": tuple(rng.sample(range(20), 4)),
        "sigma": rng.choice([rng.random(), [rng.random()] * 2]), **factors,
        "brightness": rng.random(), "contrast": rng.random(), "saturation": rng.random(),
        "hue": rng.random(), "order": order,
        "fn_idx": rng.choice([torch.tensor(order), list(map(float, order))]),
        **rng.choice([{}, {"padding": [1, 2, 3, 4]}]),
        **rng.choice([{}, {"pad_params": {"pad_left": 1, "pad_top": 3}}]),
    }  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_both_ways_of_reading_agree(name: str) -> None:
    encoder, transform, reader = READERS[name]
    layout, starts = encoder.fields, starts_of(encoder.fields)
    for seed in range(40):
        rng = random.Random(seed)
        size = (rng.randint(3, 30), rng.randint(3, 30))
        step = Step(transform, drawn(rng), {}, size, channels=rng.choice([1, 3]))
        read, written = identity_row(layout), identity_row(layout)
        entries = reader(step)
        assert all(len(columns) == layout[entry].width for entry, columns in entries.items())
        write(read, starts, entries)
        reader.place(written, starts, step.params, step)
        assert read == written
        assert len(written) == sum(widths_of(layout))


def test_the_usual_steps_are_read_in_place() -> None:
    usual = {
        "torchvision RandomResizedCrop crop", "torchvision RandomHorizontalFlip flip",
        "torchvision ColorJitter color", "torchvision RandomGrayscale grayscale",
        "torchvision GaussianBlur blur",
    }  # fmt: skip
    assert usual <= set(READERS)
