"""Where the views are in a batch: found, replaced, stripped and augmented there."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from kornia.augmentation import RandomHorizontalFlip

from augself_loss.errors import RecordError
from augself_loss.hosting.batches import Place
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

RECORDER = MultiViewRecorder(KorniaRecorder(RandomHorizontalFlip(p=1.0)))


class Batch(NamedTuple):
    images: Any
    labels: int


BATCHES: dict[str, tuple[int | str | None, Any, Any]] = {
    "a list": (0, ["views", 1], ["others", 1]),
    "a tuple": (1, (1, "views"), (1, "others")),
    "a named tuple": (0, Batch("views", 1), Batch("others", 1)),
    "a dict": ("image", {"image": "views", "y": 1}, {"image": "others", "y": 1}),
    "the batch itself": (None, "views", "others"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_views_are_found_and_replaced_in_a_copy(name: str) -> None:
    at, batch, expected = BATCHES[name]
    place = Place(at)
    replaced = place.put(batch, "others")
    assert place.get(batch) == "views"
    assert replaced == expected
    assert type(replaced) is type(batch)


@pytest.mark.parametrize(("at", "batch"), [("image", {"x": 1}), (2, [1, 2]), (0, 1), ("x", [1])])
def test_a_place_that_is_not_there_is_refused(at: int | str, batch: Any) -> None:
    with pytest.raises(RecordError, match="Say where they are"):
        Place(at).get(batch)
    assert Place(at).stripped(batch) is batch


def test_records_are_stripped_where_there_are_some() -> None:
    *views, packed = RECORDER(torch.rand(2, 3, 4, 4))
    stripped = Place(0).stripped(([*views, packed], "labels"))
    assert stripped[1] == "labels"
    assert len(stripped[0]) == len(views)
    plain = (views, "labels")
    assert Place(0).stripped(plain) is plain


def test_images_become_views_and_records() -> None:
    images = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    (view, _, packed), _ = Place(0).augmented((images, 0), RECORDER, torch.float64)
    assert torch.equal(view, (images / 255).to(torch.float64).flip(-1))
    assert packed.shape[:2] == (2, 2)
    with pytest.raises(RecordError, match="expected a tensor of images at 1"):
        Place(1).augmented((images, 0), RECORDER, torch.float32)
