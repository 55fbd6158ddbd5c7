"""Loaders of Hugging Face's Datasets and of WebDataset: their batches, as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("datasets")
pytest.importorskip("webdataset")

import datasets
import webdataset
from PIL import Image
from plain_parts import build, network, step
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2

from augself_loss import RecordError
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = [
    pytest.mark.host,
    # WebDataset leaves its shards' files to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COUNT, BATCH = 12, 6
RECORDER = MultiViewRecorder(
    TorchvisionRecorder(
        v2.Compose(
            [
                v2.RandomResizedCrop(8),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
    )
)


def pictures() -> list[Image.Image]:
    draw = np.random.default_rng(0)
    return [Image.fromarray(draw.integers(0, 256, (12, 10, 3), np.uint8)) for _ in range(COUNT)]


def trains(loader: Any) -> None:
    """Run an epoch with the term."""
    model = network()
    augself = build(model, recorder=RECORDER)
    steps = 0
    for batch in loader:
        loss, term = step(augself, model, batch)
        (loss + term).backward()
        assert term > 0
        steps += 1
    assert steps == COUNT // BATCH


def rows() -> Any:
    return datasets.Dataset.from_dict({"image": pictures(), "label": list(range(COUNT))})


def with_views(batch: dict[str, Any]) -> dict[str, Any]:
    return {"views": [RECORDER(image) for image in batch["image"]], "label": batch["label"]}


DATASETS: dict[str, Callable[[], Any]] = {
    "with_transform": lambda: rows().with_transform(with_views),
    "stream, mapped": lambda: rows().to_iterable_dataset().map(
        lambda row: {"views": RECORDER(row["image"])}, remove_columns=["image"]
    ),
    "stream, as tensors": lambda: rows().to_iterable_dataset().map(
        with_views, batched=True, remove_columns=["image"]
    ).with_format("torch"),
}  # fmt: skip


@pytest.mark.parametrize("form", DATASETS)
def test_datasets(form: str) -> None:
    trains(DataLoader(DATASETS[form](), BATCH))


def test_columns_of_views_are_passed_together() -> None:
    def columns(batch: dict[str, Any]) -> dict[str, Any]:
        made = [RECORDER(image) for image in batch["image"]]
        return dict(zip(("view1", "view2", "records"), zip(*made, strict=True), strict=True))

    batch = next(iter(DataLoader(rows().with_transform(columns), BATCH)))
    model = network()
    augself = build(model, recorder=RECORDER)
    with pytest.raises(RecordError, match=r"views\(\[batch\['view1'\], batch\['view2'\], batch"):
        augself.views(batch)
    step(augself, model, [batch["view1"], batch["view2"], batch["records"]])


def itself(label: int) -> int:
    return label


@pytest.fixture
def shard(tmp_path: Path) -> str:
    path = str(tmp_path / "pictures.tar")
    with webdataset.TarWriter(path) as tar:
        for number, picture in enumerate(pictures()):
            tar.write({"__key__": f"{number:04d}", "png": picture, "cls": number})
    return path


def samples(shard: str) -> Any:
    data = webdataset.WebDataset(shard, shardshuffle=False).decode("pil").to_tuple("png", "cls")
    return data.map_tuple(RECORDER, itself)


def test_a_webdataset(shard: str) -> None:
    trains(DataLoader(samples(shard), BATCH))
    batched = samples(shard).batched(BATCH, collation_fn=default_collate)
    trains(webdataset.WebLoader(batched, batch_size=None))


def test_a_webdataset_whose_own_collate_leaves_lists_is_told(shard: str) -> None:
    loader = webdataset.WebLoader(samples(shard).batched(BATCH), batch_size=None)
    with pytest.raises(RecordError, match=r"not collated.*collation_fn=default_collate"):
        trains(loader)


def test_a_webdataset_of_flat_samples_needs_no_other_collate(shard: str) -> None:
    flat = samples(shard).map(lambda sample: (*sample[0], sample[1]))
    trains(webdataset.WebLoader(flat.batched(BATCH), batch_size=None))
