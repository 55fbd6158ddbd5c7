"""Records pass Lightly's data sets, its collates, and DataLoader workers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightly.data import LightlyDataset
from lightly.data.multi_view_collate import MultiViewCollate
from lightly_transforms import make, seeded
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import FakeData
from torchvision.transforms import functional as f1

from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.recording.multiview import split_views

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Six images of two classes, as Lightly reads them."""
    for i in range(6):
        place = tmp_path / f"class{i % 2}"
        place.mkdir(exist_ok=True)
        pixels = torch.randint(0, 256, (3, 30, 34), generator=torch.Generator().manual_seed(i))
        f1.to_pil_image(pixels.byte()).save(place / f"{i}.png")
    return str(tmp_path)


def from_folder(folder: str, transform: Any) -> LightlyDataset:
    return LightlyDataset(folder, transform=transform)


def from_torch(_folder: str, transform: Any) -> LightlyDataset:
    return LightlyDataset.from_torch_dataset(FakeData(6, (3, 30, 34)), transform=transform)


def by_setter(folder: str, transform: Any) -> LightlyDataset:
    dataset = LightlyDataset(folder)
    dataset.transform = transform
    return dataset


@pytest.mark.parametrize("build", [from_folder, from_torch, by_setter])
@pytest.mark.parametrize("collate", [MultiViewCollate(), default_collate])
@pytest.mark.parametrize("name", ["SimCLR", "DINO"])
def test_lightly_data_sets_hand_the_records_over(
    folder: str, build: Callable[..., LightlyDataset], collate: Any, name: str
) -> None:
    transform = make(name)
    recorder = LightlyRecorder(transform)
    batches = []
    for made in (transform, recorder):
        loader = DataLoader(build(folder, made), batch_size=3, collate_fn=collate)
        batches.append(seeded(0, list, loader))
    for (plain, labels, names), (given, same_labels, same_names) in zip(*batches, strict=True):
        views, made_records = split_views(given, recorder.layout)
        assert all(map(torch.equal, views, plain))
        assert labels.equal(same_labels)
        assert list(names) == list(same_names)
        assert len(made_records) == len(views)
        for record in made_records:
            assert {len(column) for column in record.values()} == {3}
            for encoder in recorder.encoders:
                encoder.check(record)


@pytest.mark.processes
def test_data_loader_workers_record(folder: str) -> None:
    transform = make("BYOL", rr_prob=0.3)
    recorder = LightlyRecorder(transform)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lightly.data", LightlyRecorder.__module__])

    def load(transform: Any, method: Any) -> list[Any]:
        loader = DataLoader(
            from_folder(folder, transform),
            batch_size=2,
            collate_fn=MultiViewCollate(),
            num_workers=2,
            multiprocessing_context=method,
            generator=torch.Generator().manual_seed(5),
        )
        return [views for views, _, _ in loader]

    blurs = []
    for plain, given in zip(load(transform, "fork"), load(recorder, context), strict=True):
        views, made = split_views(given, recorder.layout)
        assert all(map(torch.equal, views, plain))
        blurs += made[0]["blur"].flatten().tolist()
    assert len(set(blurs)) == 6
