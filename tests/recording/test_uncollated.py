"""Samples that no collate put together: told as such, wherever views are looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms import v2

from augself_loss import RecordError
from augself_loss.hosting.finding import views_in
from augself_loss.recording.multiview import MultiViewRecorder, is_uncollated, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

ONE = TorchvisionRecorder(v2.RandomResizedCrop(8))
TWO = MultiViewRecorder(ONE)
IMAGES = list(torch.rand(3, 3, 10, 10))
LABELS = torch.arange(3)

SAMPLES: dict[str, Callable[[], Any]] = {
    "a list": lambda: [TWO(image) for image in IMAGES],
    "with labels": lambda: [(TWO(image), 1) for image in IMAGES],
    "a WebDataset's": lambda: [[TWO(image) for image in IMAGES], LABELS],
    "dicts": lambda: [
        dict(zip(("one", "two", "records"), TWO(image), strict=True)) for image in IMAGES
    ],
    "a dict of lists": lambda: {"views": [TWO(image) for image in IMAGES], "label": LABELS},
    "pairs": lambda: [(ONE(image), ONE(image)) for image in IMAGES],
    "a single one": lambda: TWO(IMAGES[0]),
}


@pytest.mark.parametrize("form", SAMPLES)
def test_samples_are_told_to_be_collated(form: str) -> None:
    samples = SAMPLES[form]()
    with pytest.raises(RecordError, match="Found samples that are not collated"):
        views_in(samples)


@pytest.mark.parametrize("form", ["a list", "a single one"])
def test_hosts_tell_it_too(form: str) -> None:
    with pytest.raises(RecordError, match=r"collation_fn=default_collate\) of a WebDataset"):
        split_views(SAMPLES[form](), TWO.layout)


@pytest.mark.parametrize("form", ["a list", "with labels", "pairs"])
def test_collated_they_are_found(form: str) -> None:
    batch = default_collate(SAMPLES[form]())
    assert not is_uncollated(batch)
    assert len(views_in(batch)) >= 2


@pytest.mark.parametrize(
    "batch",
    [
        [torch.rand(3, 8, 8), LABELS],
        [torch.rand(3, 8, 8), {"age": LABELS}],
        [torch.zeros(3, 4, dtype=torch.int32), LABELS],
        {"crop": torch.rand(4)},
        torch.rand(3, 8, 8),
        [],
        None,
    ],
    ids=["maps", "maps and targets", "numbers", "a record", "an image", "nothing", "None"],
)
def test_what_holds_no_records_is_no_sample(batch: Tensor | list[Any] | None) -> None:
    assert not is_uncollated(batch)
