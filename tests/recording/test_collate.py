"""Records that the collate makes are those that it would have stacked."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from augself_loss import AugSelfLoss, PipelineError, RecordError
from augself_loss.parameters import Record
from augself_loss.recording.collate import LateRecord, SettleAtCollate, collate_late
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def pipeline(*more: Any) -> Any:
    return v2.Compose(
        [
            v2.RandomResizedCrop(12), v2.RandomHorizontalFlip(), *more,
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomApply([v2.GaussianBlur(3)], p=0.5),
            v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
        ]
    )  # fmt: skip


class TwoCrops:
    def __init__(self) -> None:
        self.base_transform = pipeline()

    def __call__(self, image: Any) -> list[Any]:
        return [self.base_transform(image), self.base_transform(image)]


RECORDERS: dict[str, Callable[[], Any]] = {
    "one view": lambda: TorchvisionRecorder(pipeline()),
    "one view, settled by the frame": lambda: TorchvisionRecorder(
        pipeline(v2.RandomRotation((90, 90)), v2.RandomCrop(10))
    ),
    "two views": lambda: MultiViewRecorder(TorchvisionRecorder(pipeline())),
    "views of two pipelines": lambda: MultiViewRecorder(
        [TorchvisionRecorder(pipeline()), TorchvisionRecorder(pipeline(v2.RandomSolarize(128)))]
    ),
    "a views object": lambda: ViewsRecorder(TwoCrops()),
    "nothing recorded": lambda: TorchvisionRecorder(v2.ToImage()),
}


def flat(batch: Any) -> list[Tensor]:
    """List the tensors of a batch of views and records, which are what is compared."""
    if isinstance(batch, dict):
        return [entry for name in sorted(batch) for entry in flat(batch[name])]
    return [batch] if isinstance(batch, Tensor) else [t for part in batch for t in flat(part)]


def batches(transform: Any, workers: int = 0, context: str | None = None) -> list[Any]:
    loader = DataLoader(
        FakeData(10, (3, 16, 20), 2, transform=transform),
        batch_size=4,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
        generator=torch.Generator().manual_seed(5),
    )
    torch.manual_seed(3)
    return [views for views, _ in loader]


def assert_alike(one: Any, other: Any) -> None:
    ours, theirs = flat(one), flat(other)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert a.stride() == b.stride()
        assert a.equal(b)


@pytest.mark.parametrize("name", RECORDERS)
def test_batches_are_those_of_the_recorder(name: str) -> None:
    recorder = RECORDERS[name]()
    late = SettleAtCollate(recorder)
    assert late.layout is recorder.layout
    assert late.encoders is recorder.encoders
    ours, theirs = batches(late), batches(recorder)
    assert [type(batch) for batch in ours] == [type(batch) for batch in theirs]
    assert_alike(ours, theirs)


@pytest.mark.processes
@pytest.mark.parametrize(("context", "name"), [("fork", "one view"), ("spawn", "two views")])
def test_workers_settle_their_batches(context: str, name: str) -> None:
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {context}")
    recorder = RECORDERS[name]()
    assert_alike(batches(SettleAtCollate(recorder), 1, context), batches(recorder, 1, context))


def test_the_loss_takes_what_the_collate_made() -> None:
    recorder = MultiViewRecorder(TorchvisionRecorder(pipeline()))
    (one, two), records = split_views(batches(SettleAtCollate(recorder))[0], recorder.layout)
    augself = AugSelfLoss(4, {"crop": 1.0, "color": 1.0}, encoders=recorder.encoders)
    features = [view.mean((-1, -2)).repeat(1, 2)[:, :4] for view in (one, two)]
    assert augself(*features, *records).total.isfinite()


def test_a_collate_of_one_s_own_passes_records_on() -> None:
    recorder = TorchvisionRecorder(pipeline())
    late = SettleAtCollate(recorder)
    images = torch.rand(3, 3, 16, 16)
    torch.manual_seed(0)
    made = [late(image) for image in images]
    torch.manual_seed(0)
    _, expected = default_collate([recorder(image) for image in images])
    records = [record for _, record in made]
    assert all(isinstance(record, LateRecord) for record in records)
    for collate in (collate_late, default_collate):
        assert_alike(collate(records), expected)
    # one by one, and after a way through a queue
    again = pickle.loads(pickle.dumps(records))
    single: Record = again[1].settled()
    assert_alike(single, {name: entry[1] for name, entry in expected.items()})
    assert_alike(collate_late([*again[:1], *records[1:]]), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_it_may_be_copied(copied: Callable[[Any], Any]) -> None:
    late = SettleAtCollate(MultiViewRecorder(TorchvisionRecorder(pipeline())))
    late(torch.rand(3, 16, 16))
    assert_alike(batches(copied(late)), batches(late))


def test_records_of_several_layouts_do_not_mix() -> None:
    late = [SettleAtCollate(RECORDERS[name]()) for name in ("one view", "two views")]
    late.append(SettleAtCollate(TorchvisionRecorder(pipeline(v2.RandomSolarize(128)))))
    image = torch.rand(3, 16, 16)
    first, second, third = (one(image)[-1] for one in late)
    for other in (second, third):
        with pytest.raises(RecordError, match="found several kinds"):
            collate_late([first, other])


class Brighter(TorchvisionRecorder):
    """Does more than recording."""

    def __call__(self, image: Any, *more: Any) -> tuple[Any, Record]:
        view, record = super().__call__(image, *more)
        return view + 1, record


def test_what_does_more_than_recording_is_called_as_it_is() -> None:
    recorder = Brighter(v2.RandomInvert(1.0))
    several = MultiViewRecorder([TorchvisionRecorder(v2.RandomInvert(1.0)), recorder])
    one, two, packed = several(torch.zeros(3, 8, 8))
    assert (one.max(), two.max(), packed.shape) == (1, 2, (2, 2))
    for other in (recorder, several, MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip()))):
        with pytest.raises(PipelineError, match="expected a recorder that makes views image"):
            SettleAtCollate(other)
    with pytest.raises(PipelineError, match="found KorniaRecorder"):
        SettleAtCollate(KorniaRecorder(K.RandomHorizontalFlip()))  # type: ignore[arg-type]
