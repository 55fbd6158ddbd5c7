"""albumentations recorded in DataLoader workers, and recorders that are pickled on their way."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations_pipelines import IMAGE, nested, same, usual

from augself_loss.encoders import BlurEncoder
from augself_loss.encoders.base import Columns
from augself_loss.recording.albumentations import AlbumentationsRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def picture(number: int) -> Any:
    return np.random.default_rng(number).integers(0, 255, (40, 44, 3), dtype=np.uint8)


class Pictures(Dataset[Any]):
    """Twelve pictures, made by number."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return self.transform(image=picture(index))


class Alone(Pictures):
    """The image alone, as hosts pass it."""

    def __getitem__(self, index: int) -> Any:
        return self.transform(
            np.random.default_rng(index).integers(0, 255, (40, 44, 3), dtype=np.uint8)
        )


class Twice(A.HorizontalFlip):
    """A user's own transform, which is registered."""


def apply_twice(twice: Twice, data: dict[str, Any]) -> tuple[Any, Columns | None]:
    return twice(**data), (1.0,)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """This file under a name that worker processes can import too."""
    path = Path(__file__)
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.syspath_prepend(str(path.parents[1] / "hosts"))
    yield importlib.import_module(path.stem)
    sys.modules.pop(path.stem)


def batches(data: Any, method: str) -> list[Any]:
    """Load one epoch with two workers."""
    context: Any = multiprocessing.get_context(method)
    context.set_forkserver_preload([AlbumentationsRecorder.__module__])
    loader: Any = DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context=context)
    return list(loader)


@pytest.mark.processes
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_give_the_plain_pipeline_s_views(here: ModuleType, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    plain, recorder = usual(seed=3), AlbumentationsRecorder(usual(seed=3))
    expected = batches(here.Pictures(plain), "fork")
    loaded = batches(here.Pictures(recorder), method)
    rows = []
    for (data, record), plain_data in zip(loaded, expected, strict=True):
        assert torch.equal(data["image"], plain_data["image"])
        assert {name: tuple(columns.shape) for name, columns in record.items()} == {
            name: (3, field.width) for name, field in recorder.layout.items()
        }
        for encoder in recorder.encoders:
            encoder.check(record)
        rows.append(torch.cat(list(record.values()), dim=-1))
    # Workers start with the same generators, as they do without a recorder: two alike.
    assert len(torch.cat(rows).unique(dim=0)) == 6


@pytest.mark.processes
def test_packed_records_of_several_views_come_from_workers(here: ModuleType) -> None:
    two_views = MultiViewRecorder(AlbumentationsRecorder(usual(seed=3)))
    for batch in batches(here.Alone(two_views), "forkserver"):
        views, records = split_views(batch, two_views.layout)
        assert [tuple(view.shape) for view in views] == [(3, 3, 24, 24)] * 2
        assert not torch.equal(records[0]["crop"], records[1]["crop"])


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_a_copied_recorder_records_the_same(way: str, times: int) -> None:
    steps = [*nested().transforms, Twice(p=1.0)]
    register: Any = {Twice: (BlurEncoder((0.5, 2.0)), apply_twice)}
    recorder = AlbumentationsRecorder(
        A.Compose([*steps[:3], *steps[4:]], seed=4), register=register, types=["vertical_flip"]
    )
    copied = recorder
    for _ in range(times):
        copied = pickle.loads(pickle.dumps(copied)) if way == "pickle" else copy.deepcopy(copied)
    assert copied.layout == recorder.layout
    assert [repr(e) for e in copied.encoders] == [repr(e) for e in recorder.encoders]
    for _ in range(10):
        (data, record), (same_data, same_record) = recorder(image=IMAGE), copied(image=IMAGE)
        assert same(data, same_data)
        assert same(record, same_record)
        assert record["blur"] == 1.0
