"""Images known again by their bits, and by a line that maps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from augself_loss.hosting.marks import CHUNK, _factors, marks
from augself_loss.hosting.matching import mapped_in_order
from augself_loss.taps import FeatureTaps


def hard() -> Tensor:
    """Images that simple sums cannot tell apart: constant, mirrored, moved, of round numbers."""
    eye = torch.eye(4)
    grey = [torch.full((4, 4), v) for v in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 1024.0)]
    spots = [torch.zeros(16).index_fill(0, torch.tensor([i]), 1.0).view(4, 4) for i in range(16)]
    images = [*grey, *spots, eye, eye.flip(0), 2 * eye, -eye, 1 - eye]
    return torch.stack(images).unsqueeze(1).expand(-1, 3, 4, 4).contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.half, torch.bfloat16, torch.double])
def test_different_images_have_different_marks(dtype: torch.dtype) -> None:
    images = hard().to(dtype)
    assert len(set(marks(images).tolist())) == len(images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.bool])
def test_images_of_whole_numbers_are_marked(dtype: torch.dtype) -> None:
    images = (hard()[7:24] * 200).to(dtype)
    assert len(set(marks(images).tolist())) == len(images)


def test_marks_are_the_same_under_another_default_device() -> None:
    images = torch.rand(3, 3, 4, 5)
    expected = marks(images)
    _factors.cache_clear()
    with torch.device("meta"):
        assert torch.equal(marks(images), expected)


def test_a_mark_depends_on_the_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randn(6, 3, 8, 8)
    known = marks(images)
    assert torch.equal(marks(images.contiguous(memory_format=torch.channels_last)), known)
    assert torch.equal(marks(images[[4, 2]]), known[[4, 2]])
    assert torch.equal(marks(images.flatten(1)), known)
    assert torch.equal(marks(torch.tensor([[-0.0, 1.0]])), marks(torch.tensor([[0.0, 1.0]])))
    monkeypatch.setattr("augself_loss.hosting.marks.CHUNK", 2 * 192)
    assert torch.equal(marks(images), known)
    assert CHUNK > 2 * 192


@pytest.mark.parametrize(
    ("change", "mapped"),
    [
        (lambda x: (x - 0.4) / 0.2, True),
        (lambda x: (x * 3 - 1).bfloat16(), True),
        (lambda x: x * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1), True),
        (lambda x: x.flatten(1) * 2, True),
        (lambda x: -x, False),
        (lambda x: x.flip(0), False),
        (lambda x: x.flip(-1), False),
        (lambda x: x.square(), False),
        (torch.zeros_like, False),
        (torch.rand_like, False),
    ],
)
def test_only_a_rising_line_in_order_maps_images(change: object, mapped: bool) -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 6, 6)
    assert bool(mapped_in_order(images, change(images))) is mapped  # type: ignore[operator]


class Reads(TorchDispatchMode):
    """Counts how often a value is read."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


WAYS: dict[str, Callable[[Tensor, Tensor], list[Tensor]]] = {
    "as they are": lambda a, b: [a, b],
    "joined": lambda a, b: [torch.cat([b, a]).half()],
    "shuffled": lambda a, b: [a, b[torch.randperm(len(b))]],
    "normalized": lambda a, b: [a, b * 2 - 1],
    "all normalized": lambda a, b: [a * 2 - 1, b * 2 - 1],
    "copied and normalized": lambda a, b: [a * 1, b * 2 - 1],
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_only_the_first_step_waits_for_the_device(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augself_loss.hosting.matching.is_queued", lambda _: True)
    root = nn.ModuleDict({"backbone": nn.Sequential(nn.Flatten(), nn.Linear(48, 2).half())})
    taps = FeatureTaps(root, "backbone")
    counts = []
    for step in range(3):
        torch.manual_seed(step)
        views = [torch.rand(4, 3, 4, 4).half() for _ in range(2)]
        with taps.watch(root, views), Reads() as reads:
            for given in WAYS[way](*views):
                root["backbone"](given)
            taps.features([0, 1])
        counts.append(reads.count)
    assert counts[1:] == [0, 0]


def test_what_is_known_of_a_view_says_nothing_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augself_loss.hosting.matching.is_queued", lambda _: True)
    root = nn.ModuleDict({name: nn.Linear(4, 2) for name in ("query", "key")})
    taps = FeatureTaps(root, ("query", "key"))
    for rows in (3, 3, 2):
        views = list(torch.rand(2, rows, 4))
        with taps.watch(root, views):
            made = [root[name](view * 1) for name, view in zip(root, views, strict=True)]
        assert all(map(torch.equal, taps.features([0, 1]), made))


def test_images_that_are_missing_later_fail_when_the_device_comes_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("augself_loss.hosting.matching.is_queued", lambda _: True)
    root = nn.ModuleDict({"backbone": nn.Sequential(nn.Flatten(), nn.Linear(48, 2))})
    taps, views = FeatureTaps(root, "backbone"), list(torch.rand(2, 4, 3, 4, 4))
    with taps.watch(root, views):
        root["backbone"](torch.cat(views))
    taps.features([0, 1])
    with taps.watch(root, views):
        root["backbone"](torch.cat(views).square())
    with pytest.raises(RuntimeError, match="expected the batch's views, found other images"):
        taps.features([0, 1])


def test_images_of_one_grey_are_told_apart_by_their_order() -> None:
    grey = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 4, 4)
    assert bool(mapped_in_order(grey, 2 * grey))
    assert not bool(mapped_in_order(grey, 2 * grey.flip(0)))
    assert not bool(mapped_in_order(grey, 2 * grey.roll(1, 0)))
