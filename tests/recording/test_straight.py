"""Records that are what the steps wrote: where that is so, and that they equal the settled ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from augself_loss.encoders import FlipEncoder
from augself_loss.recording.journal import Journal
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
    assert recorder._straight == (name in STRAIGHT)
    for seed in range(20):
        torch.manual_seed(seed)
        _, notes = recorder.noted(IMAGE)
        journal = Journal(recorder.layout, recorder._catalogue)
        for scribe, drawn, image in notes:
            journal.add(*scribe.told(drawn, image))
        settled = [float(value) for entry in journal.settle().values() for value in entry]
        written = torch.cat(list(recorder.settle(notes).values()))
        assert torch.equal(written, torch.tensor(settled))


class Own(FlipEncoder):
    """Says otherwise what a step does to a view; it is not looked into."""


def test_a_user_s_own_type_is_settled() -> None:
    assert TorchvisionRecorder(FLIP)._straight
    assert not TorchvisionRecorder(FLIP, encoders=[Own()])._straight


def test_an_empty_plan_is_straight() -> None:
    recorder = TorchvisionRecorder(v2.Compose([v2.Resize(9)]), types=["blur"])
    assert recorder._straight
    assert recorder(IMAGE)[1]["blur"] == 0.0
