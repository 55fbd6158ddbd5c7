"""Records that are what the steps wrote: where that is so, and that they equal the settled ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from augself_loss.encoders import ColorEncoder, FlipEncoder
from augself_loss.recording.notes import logged
from augself_loss.recording.straight import Row
from augself_loss.recording.torchvision import TorchvisionRecorder

CROP, FLIP, UP = v2.RandomResizedCrop(12), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()
JITTER, GREY = v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.RandomGrayscale(0.5)
ERASING, ANGLE = v2.RandomErasing(0.5), v2.RandomRotation(20)
STRAIGHT: dict[str, list[Any]] = {
    "the usual": [CROP, FLIP, UP, v2.RandomApply([JITTER], p=0.8), GREY, v2.GaussianBlur(3)],
    "colours in any order": [CROP, FLIP, v2.RandomOrder([JITTER, GREY])],
    "erased last": [CROP, FLIP, ERASING],
    "turned before all else is written": [FLIP, ANGLE, JITTER],
    "a choice": [CROP, v2.RandomChoice([GREY, JITTER])],
}
SETTLED: dict[str, list[Any]] = {
    "cropped after a flip": [FLIP, CROP],
    "erased before a flip": [ERASING, FLIP],
    "an angle before a flip": [ANGLE, FLIP],
    "a quarter turn": [CROP, v2.RandomRotation((90, 90)), FLIP],
    "two crops": [CROP, v2.RandomCrop(8)],
    "two flips": [FLIP, v2.RandomHorizontalFlip()],
    "flips in any order": [CROP, v2.RandomOrder([FLIP, UP])],
    "erased in any order": [v2.RandomOrder([ERASING, JITTER])],
}
IMAGE = torch.randint(0, 255, (3, 20, 20), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("name", [*STRAIGHT, *SETTLED])
def test_what_is_read_is_what_is_settled(name: str) -> None:
    recorder = TorchvisionRecorder(v2.Compose({**STRAIGHT, **SETTLED}[name]))
    assert (recorder._row is not None) == (name in STRAIGHT)
    row = Row(recorder.layout)
    for seed in range(20):
        torch.manual_seed(seed)
        with logged() as steps:
            recorder.transform(IMAGE)
        settled = torch.tensor(recorder._journalled(steps))
        assert torch.equal(torch.cat(list(recorder.settle(steps).values())), settled)
        if name in STRAIGHT:
            assert torch.equal(torch.tensor(recorder._as_read(steps, row)), settled)


class Own(FlipEncoder):
    """Says otherwise what a step does to a view; it is not looked into."""


def test_a_user_s_own_type_is_settled() -> None:
    assert TorchvisionRecorder(FLIP)._row is not None
    assert TorchvisionRecorder(FLIP, encoders=[Own()])._row is None


def test_a_column_that_no_step_writes_is_the_identity() -> None:
    row = Row(ColorEncoder().fields)
    values = row.identity.copy()
    row.write(values, {"color": (None, 1.5, None, 0.1), "unknown": (3.0,)})
    assert values == [1.0, 1.5, 1.0, 0.1, 0.0, 1.0, 2.0, 3.0]
    assert row.identity[:2] == [1.0, 1.0], "which itself is not written over"


def test_an_empty_plan_is_straight() -> None:
    recorder = TorchvisionRecorder(v2.Compose([v2.Resize(9)]), types=["blur"])
    assert recorder._row is not None
    assert recorder(IMAGE)[1]["blur"] == 0.0
