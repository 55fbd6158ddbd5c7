"""A pipeline with its recorder against the pipeline alone, drawing the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import numpy as np
import torch
from timing import side_by_side
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from augself_loss.recording.collate import SettleAtCollate
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

Row = dict[str, Any]


def rows(*, quick: bool) -> Iterator[Row]:
    """Time every pipeline; one row each."""
    for batch, size in ((64, 96), (256, 32)):
        yield _kornia(batch, size, quick=quick)
    for name, version in (("torchvision v2", v2), ("torchvision v1", v1)):
        for size in (32,) if quick else (32, 96, 224):
            yield from _loader(name, version, size, quick=quick)
    if find_spec("albumentations"):  # an optional extra
        for size in (32,) if quick else (32, 96, 224):
            yield _albumentations(size, quick=quick)


def _kornia(batch: int, size: int, *, quick: bool) -> Row:
    def pipeline() -> Any:
        return K.AugmentationSequential(
            K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
            K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
        )

    plain, recorder = pipeline(), KorniaRecorder(pipeline())
    images = torch.rand(batch, 3, size, size)

    def seeded(run: Callable[[Any], Any]) -> Callable[[], object]:
        def call() -> object:
            torch.manual_seed(0)
            return run(images)

        return call

    times = side_by_side(
        {"plain": seeded(plain), "recorded": seeded(recorder)}, budget=1 if quick else 12
    )
    return _row(f"Kornia, {batch}x3x{size}x{size}", times, batch)


def _albumentations(size: int, *, quick: bool) -> Row:
    import albumentations as A  # noqa: N812, PLC0415

    from augself_loss.recording.albumentations import AlbumentationsRecorder  # noqa: PLC0415

    def pipeline() -> Any:
        return A.Compose(
            [
                A.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
                A.HorizontalFlip(),
                A.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
                A.ToGray(p=0.2),
                A.GaussianBlur(sigma_limit=(0.1, 2.0), p=0.5),
                A.Normalize(),
                A.ToTensorV2(),
            ]
        )

    edge, count = size + size // 4, 64
    images = np.random.default_rng(0).integers(0, 255, (count, edge, edge, 3), dtype=np.uint8)

    def epoch(transform: Any, seeded: Any) -> Callable[[], object]:
        def run() -> None:
            seeded.set_random_seed(0)
            for image in images:
                transform(image=image)

        return run

    plain, recorder = pipeline(), AlbumentationsRecorder(pipeline())
    work = {"plain": epoch(plain, plain), "recorded": epoch(recorder, recorder.transform)}
    times = side_by_side(work, budget=1 if quick else 12)
    return _row(f"albumentations, image by image, {size} px", times, count)


def _loader(name: str, version: Any, size: int, *, quick: bool) -> Iterator[Row]:
    tail: list[Any] = [v1.ToTensor()] if version is v1 else []
    tail = tail or [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    pipeline = version.Compose(
        [
            version.RandomResizedCrop(size, scale=(0.2, 1.0)),
            version.RandomHorizontalFlip(),
            version.RandomApply([version.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            version.RandomGrayscale(p=0.2),
            version.RandomApply([version.GaussianBlur(size // 20 * 2 + 1, (0.1, 2.0))], p=0.5),
            *tail,
        ]
    )
    count = 128 if size < 224 else 64
    edge = size + size // 4
    pictures = [image for image, _ in FakeData(count, (3, edge, edge))]

    def epoch(transform: Any) -> Callable[[], object]:
        loader: Any = DataLoader(_Transformed(pictures, transform), batch_size=64)

        def run() -> None:
            torch.manual_seed(0)
            for _ in loader:
                pass

        return run

    recorder = TorchvisionRecorder(pipeline)
    two, budget = MultiViewRecorder(recorder), 1 if quick else 30
    for views, plain, recorded in ((1, pipeline, recorder), (2, _Twice(pipeline), two)):
        work = {
            "plain": epoch(plain),
            "recorded": epoch(recorded),
            "settled at collate": epoch(SettleAtCollate(recorded)),
        }
        times = side_by_side(work, budget=budget)
        yield _row(f"{name}, DataLoader, {size} px, views: {views}", times, count)


class _Twice:
    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, image: Any) -> list[Any]:
        return [self.pipeline(image), self.pipeline(image)]


class _Transformed(torch.utils.data.Dataset[Any]):
    def __init__(self, pictures: list[Any], transform: Any) -> None:
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.pictures[index])


def _row(name: str, times: Any, images: int) -> Row:
    plain = times["plain"]
    row = {"pipeline": name, "plain µs / image": 1e6 * plain.median / images}
    for way in [way for way in times if way != "plain"]:
        low, high = times[way].quartiles(plain)
        row[f"{way} µs / image"] = 1e6 * times[way].median / images
        row["ratio" if way == "recorded" else f"{way}, ratio"] = times[way].over(plain)
        row[f"{way}, quartiles"] = f"{low:.3f} to {high:.3f}"
    return row
