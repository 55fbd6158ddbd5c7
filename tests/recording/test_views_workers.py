"""Views objects of public scripts in DataLoader workers, and the loss trained on what they give."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import public_scripts as public
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import FakeData

from augself_loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.one_by_one import one_by_one
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

BLUR = v1.RandomApply([public.GaussianBlur([0.1, 2.0])], p=0.5)
OBJECTS: dict[str, Callable[[], Any]] = {
    "SimSiam": lambda: public.TwoCropsTransform(public.pipeline(BLUR)),
    "MoCo v3": lambda: public.TwoCropsOfTwo(
        public.pipeline(BLUR), public.pipeline(BLUR, v1.RandomApply([public.Solarize()], p=0.2))
    ),
    "VICReg": public.TrainTransform,
    "DINO": public.DataAugmentationDINO,
    "DINOv2": public.ListedDINOv2,
}


def batches(dataset: Any, context: str | None = None, workers: int = 1) -> list[Any]:
    loader = DataLoader(
        dataset,
        batch_size=6,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
        worker_init_fn=public.seed_worker,
        generator=torch.Generator().manual_seed(5),
    )
    return list(loader)


def pictures(transform: Any) -> Any:
    return FakeData(12, (3, 40, 44), 2, transform=transform)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("method", "name"),
    [*(("fork", name) for name in OBJECTS), ("spawn", "DINO")],  # spawn takes long
)
def test_workers_record_and_give_the_plain_object_s_batches(method: str, name: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    plain = OBJECTS[name]()
    recorder = ViewsRecorder(plain)
    expected = batches(pictures(plain), "fork")
    loaded = batches(pictures(recorder), method)
    rows = []
    for (made, _), (plainly, _) in zip(loaded, expected, strict=True):
        views, records = split_views(made, recorder.layout)
        assert all(map(torch.equal, views, plainly))
        for encoder in recorder.encoders:
            for record in records:
                encoder.check(record)
        rows.append(torch.cat([records[0]["crop"], records[1]["crop"]]))
    assert len(torch.cat(rows).unique(dim=0)) == 24


@pytest.mark.processes
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_swav_s_data_set_in_workers(method: str) -> None:
    images = [pictures(None)[i][0] for i in range(12)]
    plain, dataset = (public.MultiCropDataset(images, return_index=True) for _ in range(2))
    recorder = MultiViewRecorder([TorchvisionRecorder(t) for t in dataset.trans])
    dataset.trans = one_by_one(recorder)
    for (index, made), (same, plainly) in zip(
        batches(dataset, method), batches(plain, "fork"), strict=True
    ):
        views, records = split_views(made, recorder.layout)
        assert torch.equal(index, same)
        assert all(map(torch.equal, views, plainly))
        assert all(len(record["crop"].unique(dim=0)) == 6 for record in records)


@pytest.mark.parametrize("name", OBJECTS)
def test_the_loss_trains_on_them(name: str) -> None:
    recorder = ViewsRecorder(OBJECTS[name]())
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    weights = dict.fromkeys([encoder.name for encoder in recorder.encoders], 1.0)
    augself = AugSelfLoss(8, weights, encoders=recorder.encoders)
    optimizer = torch.optim.SGD([*backbone.parameters(), *augself.parameters()], lr=0.1)
    ((made, _), *_) = batches(pictures(recorder), workers=0)
    views, records = split_views(made, recorder.layout)
    before = [p.clone() for p in (*backbone.parameters(), *augself.parameters())]
    out = augself([backbone(view) for view in views], records)
    assert {"crop", "color", "blur"} <= set(out.terms)
    out.total.backward()
    optimizer.step()
    after = (*backbone.parameters(), *augself.parameters())
    assert not any(map(torch.equal, before, after))
