"""What is counted on meta is what an accelerator would be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from asked import Asked, asked, unseen
from torch import Tensor

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

MASK = torch.tensor([True, False, True, False])


@pytest.fixture
def x() -> Tensor:
    return torch.empty(4, 3, device="meta")


def counted(call: Callable[[], object]) -> tuple[int, int, int, int]:
    seen = asked(call)
    return seen.launches, seen.copies, seen.waits, seen.reads


def test_launches_and_their_traffic(x: Tensor) -> None:
    def call() -> None:
        torch.empty(4, device="meta")
        (x.t() + 1).sum()

    assert asked(call) == Asked(launches=2, bytes=(12 + 12 + 12 + 1) * 4)


def test_an_expanded_dimension_is_read_once(x: Tensor) -> None:
    assert asked(lambda: x[:1].expand(4, 3).clone()).bytes == (3 + 12) * 4


COPIES: dict[str, tuple[Callable[[Tensor], object], int, int]] = {
    "to": (lambda x: torch.ones(4).to(x), 1, 1),
    "to, not waited for": (lambda x: torch.ones(4).to(x.device, non_blocking=True), 1, 0),
    "copy_": (lambda x: x.copy_(torch.ones(4, 3)), 1, 1),
    "copy_, not waited for": (lambda x: x.copy_(torch.ones(4, 3), non_blocking=True), 1, 0),
    "a number": (lambda x: x * torch.tensor(2.0), 0, 0),
    "indices": (lambda x: x[torch.tensor([0, 2])], 1, 1),
    "a mask of the host": (lambda x: x[MASK], 1, 1),
    "a list as indices": (lambda x: x[[0, 2]], 1, 1),
    "tensor": (lambda _: torch.tensor([1.0, 2.0], device="meta"), 1, 1),
    "as_tensor": (lambda _: torch.as_tensor([1.0, 2.0], device="meta"), 1, 1),
    "new_tensor": (lambda x: x.new_tensor([1.0, 2.0]), 1, 1),
    "by keyword": (lambda _: torch.tensor(data=[1.0], device="meta"), 1, 1),
    "filled there": (lambda _: torch.full((2,), 1.0, device="meta"), 0, 0),
    "set to a number": (lambda x: x.__setitem__(0, 1.0), 0, 0),  # type: ignore[call-overload]
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_and_those_waited_for(name: str, x: Tensor) -> None:
    call, copies, waits = COPIES[name]
    assert counted(lambda: call(x))[1:] == (copies, waits, 0)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: torch.equal(x, x),
        lambda x: torch.ones(4)[x[:, 0].long()],
        lambda x: torch.ones(4, 3).copy_(x),
    ],
)
def test_what_reads_the_device_ends_the_count(read: Callable[[Tensor], object], x: Tensor) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        asked(lambda: read(x))


def test_what_came_from_the_host_is_answered_and_counted(x: Tensor) -> None:
    drawn: list[Any] = []

    def call() -> None:
        box = torch.tensor([1.0, 3.0]).to(x) + torch.zeros(2, device="meta")
        drawn.append((int(box[0]), int(box[1])))
        box += x[0, 0]  # from here on nobody knows
        x[drawn[-1][0] : drawn[-1][1]] += 1

    assert counted(call)[1:] == (1, 1, 2)
    assert drawn[-1] == (1, 3)


def test_memory_that_was_written_to_by_a_view_is_not_known_any_more(x: Tensor) -> None:
    def call() -> None:
        box = torch.zeros(2, 3, device="meta")
        box[0] = x[0]
        int(box[1, 0])

    with pytest.raises(RuntimeError, match="meta"):
        asked(call)


def test_a_mask_that_is_looked_for_waits_one_value_does_not(x: Tensor) -> None:
    mask = torch.tensor([True, False, True, False])

    def fill() -> None:
        x[mask.to("meta", non_blocking=True)] = 0.0

    def put() -> None:
        x[mask.to("meta", non_blocking=True)] = torch.zeros(2, 3, device="meta")

    assert asked(fill).reads == 0
    assert asked(put).reads == 1


def test_the_host_by_itself() -> None:
    seen = asked(lambda: torch.ones(3).sum().item())
    assert seen == Asked(host_operations=3, host_reads=1)


def test_what_will_be_compiled_is_left_out(x: Tensor) -> None:
    inner = unseen(lambda: x + x)
    assert asked(lambda: inner() * 2).launches == 1


def pipeline() -> K.AugmentationSequential:
    return K.AugmentationSequential(
        K.RandomResizedCrop((8, 8)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
        K.RandomSolarize(0.1, 0.0, p=0.5),
    )


def seeded(run: Callable[[Tensor], object], batch: int) -> Asked:
    images = torch.empty(batch, 3, 8, 8, device="meta")

    def call() -> object:
        torch.manual_seed(0)
        return run(images)

    return asked(call)


def test_kornia_reads_the_device_before_0_9_alone() -> None:
    four, eight = (seeded(pipeline(), batch) for batch in (4, 8))
    if ONLY_APPLIED_ROWS:
        assert four.reads >= 16, "four of each crop"
        assert eight.reads >= 32
        assert four.waits == four.copies
    else:
        assert four.reads == eight.reads == 0
        assert four.waits == 0
    assert four.copies > 10
    assert four.host_reads > 0


def test_recording_adds_one_copy_that_nobody_waits_for() -> None:
    plain, recorded = seeded(pipeline(), 4), seeded(KorniaRecorder(pipeline()), 4)
    assert recorded.copies == plain.copies + 1
    assert recorded.launches == plain.launches + 1
    assert (recorded.waits, recorded.reads) == (plain.waits, plain.reads)
