"""AugSelf in a training loop of one's own: batches of any form."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from plain_parts import (
    BATCH,
    build,
    images,
    in_workers,
    network,
    step,
)
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2

from augself_loss import (
    RecordError,
)
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

RECORDED = MultiViewRecorder(in_workers())


def collated() -> list[Tensor]:
    batch: list[Tensor] = default_collate([RECORDED(image) for image in images()])
    return batch


BATCHES: dict[str, Callable[[], Any]] = {
    "views and records": collated,
    "with labels": lambda: [collated(), torch.zeros(BATCH)],
    "a dict": lambda: {"label": torch.zeros(BATCH), "image": collated()},
    "nested": lambda: {"labelled": [images(), torch.zeros(BATCH)], "rest": (collated(),)},
    "flat, with a label": lambda: [*collated(), torch.zeros(BATCH)],
    "flat, with an index": lambda: [torch.arange(BATCH), *collated()],
    "flat, with another image": lambda: (images(), *collated(), torch.zeros(BATCH)),
    "flat pairs": lambda: default_collate(
        [(in_workers()(i), in_workers()(i), 1) for i in images()]
    ),
    "pairs": lambda: default_collate([[in_workers()(i), in_workers()(i)] for i in images()]),
    "pairs with labels": lambda: default_collate(
        [([in_workers()(image), in_workers()(image)], 1) for image in images()]
    ),
}


@pytest.mark.parametrize("form", BATCHES)
def test_views_are_found_wherever_they_are(form: str) -> None:
    model = network()
    augself = build(model, recorder=RECORDED)
    loss, term = step(augself, model, BATCHES[form]())
    (loss + term).backward()
    assert term > 0


@pytest.mark.parametrize(
    "batch",
    [images(), [images(), torch.zeros(BATCH).long()], {"image": (images() * 255).byte()}],
    ids=["tensor", "with labels", "uint8"],
)
def test_images_are_augmented_where_they_are(batch: Any) -> None:
    augself = build()
    views = augself.views(batch)
    assert [view.shape for view in views] == [(BATCH, 3, 8, 8)] * 2
    assert all(view.min() >= 0 and view.max() <= 1 for view in views)


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ([images(), images()], "2 tensors of images and no records"),
        (torch.zeros(3), "neither"),
        ({"a": collated(), "b": collated()}, "2 lists of views with records"),
        (
            dict(zip("abr", collated(), strict=True)),
            r"views\(\[batch\['a'\], batch\['b'\], batch\['r'",
        ),
        ([collated()[0], [collated()[-1]]], r"views\(\[view1, view2, records\]\)"),
        ([[images(), {"flip": torch.zeros(BATCH, 1)}]] * 2, "expected records of"),
    ],
    ids=["no records", "no images", "two batches", "a flat dict", "apart", "another recorder"],
)
def test_what_cannot_be_told_is_refused(batch: Any, found: str) -> None:
    with pytest.raises(RecordError, match=found):
        build().views(batch)


@dataclass
class Batch:
    views: Any


def test_an_object_is_not_looked_into() -> None:
    augself = build(recorder=RECORDED)
    batch = Batch(collated())
    with pytest.raises(RecordError, match=r"Found a Batch, which.*augself\.views\(batch\.views\)"):
        augself.views(batch)
    assert len(augself.views(batch.views)) == 2


def test_records_of_another_recorder_are_refused() -> None:
    other = MultiViewRecorder(TorchvisionRecorder(v2.ColorJitter(0.4)))
    with pytest.raises(RecordError, match="another recorder"):
        build(recorder=RECORDED).views(default_collate([other(image) for image in images()]))


@pytest.mark.slow
def test_a_data_loader_with_workers_trains() -> None:
    model = network()
    augself = build(model, recorder=RECORDED)
    optimizer = torch.optim.SGD([*model.parameters(), *augself.parameters()], lr=0.1)
    data = [(RECORDED(image), 0) for image in images()]
    before = copy.deepcopy(augself.state_dict())
    for batch in DataLoader(data, BATCH // 2, num_workers=1, multiprocessing_context="spawn"):
        loss, term = step(augself, model, batch)
        optimizer.zero_grad()
        (loss + term).backward()
        optimizer.step()
    after = augself.state_dict()
    assert after["heads.crop.0.weight"].shape == (16, 16)
    assert not torch.equal(before["heads.crop.6.bias"], after["heads.crop.6.bias"])
