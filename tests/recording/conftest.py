"""Images whose pixels say where they come from, and views predicted from a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from augself_loss import Record

Images = Callable[..., Tensor]


def _grid(height: int, width: int) -> Tensor:
    """Centres of the pixels as fractions of the image: x, y, ``(2, H, W)``."""
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Small images gain nothing from threads, which wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Give every test the same random state, and leave the suite's alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def ramps() -> Images:
    """``ramps(batch, height, width)``: pixels say x, y (fractions) and 1 (0 is what was padded)."""

    def make(batch: int, height: int, width: int) -> Tensor:
        image = torch.cat([_grid(height, width), torch.ones(1, height, width)])
        return image.repeat(batch, 1, 1, 1)

    return make


@pytest.fixture
def smooth() -> Images:
    """``smooth(batch, height, width)``: random images without hard edges, in [0.05, 0.95]."""

    def make(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
        noise = torch.rand(batch, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
        return functional.interpolate(
            noise, (height, width), mode="bicubic", align_corners=True
        ).clamp(0.05, 0.95)

    return make


@pytest.fixture
def predict() -> Callable[[Record, int, int], Tensor]:
    """``predict(record, height, width)``: what a view of ``ramps`` must look like: x, y."""

    def make(record: Record, height: int, width: int) -> Tensor:
        views = []
        batch = len(next(iter(record.values())))
        for i in range(batch):
            box = record["crop"][i] if "crop" in record else torch.tensor([0.0, 0.0, 1.0, 1.0])
            top, left, box_height, box_width = box.tolist()
            k = int(record["rotation"][i]) if "rotation" in record else 0
            size = (width, height) if k % 2 else (height, width)
            x, y = _grid(*size)
            view = torch.stack([left + x * box_width, top + y * box_height])
            for name, axis in (("flip", -1), ("vertical_flip", -2)):
                if name in record and record[name][i] == 1:
                    view = view.flip(axis)
            views.append(torch.rot90(view, k, (-2, -1)))
        return torch.stack(views)

    return make


@pytest.fixture
def misplaced(predict: Callable[[Record, int, int], Tensor]) -> Callable[[Tensor, Record], Tensor]:
    """``misplaced(view, record)``: per sample, how far a view of ``ramps`` lies from its record."""

    def measure(view: Tensor, record: Record) -> Tensor:
        seen = view[:, 2:] > 0.999
        assert seen.flatten(1).any(dim=1).all(), "nothing of the source image is seen"
        expected = predict(record, *view.shape[-2:])
        return ((view[:, :2].float() - expected).abs() * seen).amax(dim=(1, 2, 3))

    return measure


@pytest.fixture
def assert_same_record() -> Callable[[Record, Record], None]:
    """``assert_same_record(a, b)``: same entries in the same order, bit for bit."""

    def check(a: Record, b: Record) -> None:
        assert list(a) == list(b)
        for name in a:
            assert torch.equal(a[name], b[name]), name

    return check
