"""Several views with their records in one tensor, through collates that know tensors only."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils.data import DataLoader, default_collate
from torchvision import transforms as v1
from torchvision.datasets import FakeData
from torchvision.transforms import v2
from view_pipelines import IMAGES, kornia, strong, weak

from augself_loss import Record
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Layout
from augself_loss.recording.multiview import (
    RECORD_DTYPE,
    MultiViewRecorder,
    from_bits,
    is_packed,
    mark_of,
    split_views,
    to_bits,
)
from augself_loss.recording.torchvision import TorchvisionRecorder

Check = Callable[[Record, Record], None]


def own(recorder: Any, image: Any, seed: int, views: int = 2) -> list[tuple[Any, Record]]:
    """Call a recorder itself, once per view, under one seed."""
    torch.manual_seed(seed)
    return [recorder(image) for _ in range(views)]


def test_views_one_by_one() -> None:
    """For hosts that ask for each view: the same views, and records with all entries."""
    several = MultiViewRecorder([strong(), weak()])
    torch.manual_seed(3)
    first, second, packed = several(IMAGES[0])
    torch.manual_seed(3)
    for number, expected in enumerate((first, second)):
        view, record = several.view(number, IMAGES[0])
        assert torch.equal(view, expected)
        assert list(record) == list(several.layout)
        bits = torch.cat(list(record.values())).view(RECORD_DTYPE)
        assert torch.equal(bits, packed[number, :-1])
    assert packed[:, -1].tolist() == [mark_of(several.layout)] * 2


@pytest.mark.parametrize("views", [2, 3])
def test_images_come_back_with_their_records(assert_same_record: Check, views: int) -> None:
    recorder = strong()
    several = MultiViewRecorder(recorder, views)
    samples, expected = [], []
    for seed, image in enumerate(IMAGES):
        torch.manual_seed(seed)
        samples.append(several(image))
        expected.append(own(recorder, image, seed, views))
    assert samples[0][-1].dtype == RECORD_DTYPE
    found, records = split_views(default_collate(samples), several.layout)
    for i in range(views):
        assert found[i].equal(torch.stack([sample[i][0] for sample in expected]))
        assert_same_record(records[i], default_collate([sample[i][1] for sample in expected]))


def test_batches_come_back_with_their_records(assert_same_record: Check) -> None:
    recorder, batch = kornia(), IMAGES / 255
    several = MultiViewRecorder(recorder)
    torch.manual_seed(3)
    made = several(batch)
    assert made[-1].shape == (4, 2, sum(field.width for field in several.layout.values()) + 1)
    found, records = split_views(made, several.layout)
    for i, (view, record) in enumerate(own(recorder, batch, 3)):
        assert found[i].equal(view)
        assert_same_record(records[i], {name: record[name] for name in several.layout})


def test_the_record_says_what_was_done() -> None:
    flips = [TorchvisionRecorder(v2.RandomHorizontalFlip(p)) for p in (0.0, 1.0)]
    several = MultiViewRecorder(flips)
    (one, two), records = split_views(default_collate(list(map(several, IMAGES))), several.layout)
    assert one.equal(IMAGES)
    assert two.equal(IMAGES.flip(-1))
    assert [record["flip"].tolist() for record in records] == [[[0.0]] * 4, [[1.0]] * 4]


def test_views_may_carry_their_own_records(assert_same_record: Check) -> None:
    several = MultiViewRecorder([strong(), weak()])
    torch.manual_seed(0)
    *_, packed = several(IMAGES[0])
    torch.manual_seed(0)
    for number, row in enumerate(packed):
        _, record = several.view(number, IMAGES[0])
        assert several.bits(record).equal(row)
        assert_same_record(from_bits(row, several.layout), record)


def test_one_object_may_make_several_views() -> None:
    one, other = strong(), weak()
    several = MultiViewRecorder([one, other, one])
    assert several.recorders[0] is several.recorders[2]
    assert copy.deepcopy(several).recorders[0] is not one
    twin = pickle.loads(pickle.dumps(several))
    assert twin.recorders[0] is twin.recorders[2]
    torch.manual_seed(0)
    made = several(IMAGES[0])
    torch.manual_seed(0)
    assert all(a.equal(b) for a, b in zip(made, twin(IMAGES[0]), strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_casting_a_batch_leaves_its_records(assert_same_record: Check, dtype: torch.dtype) -> None:
    several = MultiViewRecorder(kornia())
    made = several(IMAGES / 255)
    # As hosts' true half precision does.
    cast = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in made]
    views, records = split_views(cast, several.layout)
    assert all(view.dtype == dtype for view in views)
    for record, kept in zip(records, split_views(made, several.layout)[1], strict=True):
        assert all(entry.dtype == torch.float32 for entry in record.values())
        assert_same_record(record, kept)


def test_a_float_pattern_of_any_kind_comes_back() -> None:
    layout: Layout = strong().layout
    width = sum(field.width for field in layout.values())
    bits = torch.tensor([0.1, -0.0, 1e-42, 3.4e38, torch.inf]).repeat(width)[: 2 * width]
    packed = to_bits(bits.view(1, 2, width), mark_of(layout))
    _, records = split_views([torch.zeros(1), torch.zeros(1), packed], layout)
    back = torch.cat([torch.cat(list(record.values()), dim=-1) for record in records])
    assert back.view(torch.int32).equal(bits.view(2, width).view(torch.int32))


def test_float_images_are_no_records() -> None:
    assert not is_packed(torch.zeros(4, 2, 3))
    assert not is_packed(torch.zeros(4, 3, 8, 8, dtype=torch.int32))
    assert not is_packed("records")
    assert is_packed(torch.zeros(4, 2, 3, dtype=torch.int32))


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (lambda: MultiViewRecorder([strong()]), "two views to compare, found 1"),
        (lambda: MultiViewRecorder(strong(), views=1), "two views to compare, found 1"),
        (lambda: MultiViewRecorder(strong(), views=0), "two views to compare, found 0"),
        (lambda: MultiViewRecorder(strong(), views=-3), "two views to compare, found -3"),
        (lambda: MultiViewRecorder([]), "two views to compare, found 0"),
        (lambda: MultiViewRecorder([strong()] * 2, views=5), "found 2 recorders and views=5"),
        (lambda: MultiViewRecorder([strong()] * 3, views=2), "found 3 recorders and views=2"),
        (lambda: MultiViewRecorder([strong()], views=2), "found 1 recorders and views=2"),
        (lambda: MultiViewRecorder([], views=0), "two views to compare, found 0"),
        (lambda: MultiViewRecorder(strong(), views=2.0), "an integer, found 2.0"),
        (
            lambda: MultiViewRecorder(TorchvisionRecorder(v2.Resize(8))),
            "random augmentations, found none",
        ),
    ],
)
def test_what_makes_no_pair_is_refused(build: Callable[[], Any], found: str) -> None:
    with pytest.raises(PipelineError, match=found):
        build()


def test_batches_without_their_records_are_refused() -> None:
    several = MultiViewRecorder(strong())
    made = default_collate([several(image) for image in IMAGES])
    no_records: dict[str, Any] = {
        "[(4, 3, 16, 16), (4, 3, 16, 16)]": made[:2],
        "[]": [],
        "['str']": ["name"],
        f"{[tuple(made[-1].shape)]}": [made[-1].float()],
    }
    for found, views in no_records.items():
        with pytest.raises(RecordError, match="last, their records, an int32 tensor") as refused:
            split_views(views, several.layout)
        assert f"found {found}" in str(refused.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64])
def test_records_that_were_cast_are_said_to_be(dtype: torch.dtype) -> None:
    """Their shapes, which are right, were all that the message said."""
    several = MultiViewRecorder(strong())
    *views, packed = default_collate([several(image) for image in IMAGES])
    with pytest.raises(RecordError, match=rf"the last of {dtype}\. .* cast views alone"):
        split_views([*views, packed.to(dtype)], several.layout)


def test_another_recorder_s_batches_are_refused() -> None:
    several = MultiViewRecorder(strong())
    made = default_collate([several(image) for image in IMAGES])
    for views, layout in (
        (made, MultiViewRecorder(weak()).layout),
        ([made[0], *made], several.layout),
        (made[1:], several.layout),
    ):
        with pytest.raises(RecordError, match="another recorder made them") as refused:
            split_views(views, layout)
        assert f"records of {len(views) - 1} views with" in str(refused.value)
        assert f"found {tuple(made[-1].shape)}" in str(refused.value)


def jittered(strength: float) -> MultiViewRecorder:
    return MultiViewRecorder(TorchvisionRecorder(v2.ColorJitter(strength)))


OTHERS: dict[str, Callable[[], tuple[MultiViewRecorder, MultiViewRecorder]]] = {
    "other ranges": lambda: (jittered(0.4), jittered(0.8)),
    "other entries of one width": lambda: (
        MultiViewRecorder(TorchvisionRecorder(v2.RandomInvert())),
        MultiViewRecorder(TorchvisionRecorder(v2.RandomAutocontrast())),
    ),
    "another order of columns": lambda: (
        MultiViewRecorder(TorchvisionRecorder(v2.Compose([v2.RandomErasing()]))),
        MultiViewRecorder(TorchvisionRecorder(v2.RandomCrop(20), types=["crop"])),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_equally_wide_records_of_another_recorder_are_refused(name: str) -> None:
    one, other = OTHERS[name]()
    made = default_collate([one(image) for image in IMAGES / 255])
    split_views(made, one.layout)
    for check in (False, True):
        with pytest.raises(RecordError, match="another recorder made them"):
            split_views(made, other.layout, check=check)
    assert mark_of(pickle.loads(pickle.dumps(one)).layout) == mark_of(one.layout)
    # One sample's too, and if only one of a batch is another's.
    if made[-1].shape == other(IMAGES[0])[-1].expand(4, -1, -1).shape:
        made[-1][2] = other(IMAGES[0])[-1]
        with pytest.raises(RecordError, match="another recorder made them"):
            split_views(made, one.layout)


def test_records_elsewhere_are_looked_at_when_asked() -> None:
    """A look at another device waits for it; fake tensors raise an error there."""
    several = jittered(0.4)
    width = sum(field.width for field in several.layout.values()) + 1
    with FakeTensorMode():
        views = [torch.zeros(4, 3, 8, 8, device="cuda") for _ in range(2)]
        packed = torch.zeros(4, 2, width, dtype=torch.int32, device="cuda")
        split_views([*views, packed], several.layout)
        with pytest.raises(DataDependentOutputException):
            split_views([*views, packed], several.layout, check=True)
    split_views([v.to("meta") for v in [*views, packed]], several.layout, check=True)


def test_a_record_s_bits_alone() -> None:
    several = jittered(0.4)
    *_, packed = several(IMAGES[0])
    one = from_bits(packed[1], several.layout)
    assert to_bits(torch.cat(list(one.values())), mark_of(several.layout)).equal(packed[1])
    with pytest.raises(RecordError, match="another recorder made them"):
        from_bits(packed[1], jittered(0.8).layout)
    with pytest.raises(RecordError, match=r"with 8 \+ 1 columns"):
        from_bits(packed[1, :-1], several.layout)


@pytest.mark.processes
def test_data_loader_workers_record() -> None:
    flip = v1.Compose([v1.RandomHorizontalFlip(), v1.PILToTensor()])
    several = MultiViewRecorder([strong(v1.PILToTensor()), TorchvisionRecorder(flip)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([TorchvisionRecorder.__module__, "torchvision.datasets"])
    loader = DataLoader(
        FakeData(8, (3, 20, 24), transform=several),
        batch_size=2,
        num_workers=2,
        multiprocessing_context=context,
    )
    plain = FakeData(8, (3, 20, 24), transform=v1.PILToTensor())
    flips = []
    for i, (given, _) in enumerate(loader):
        views, records = split_views(given, several.layout)
        assert views[0].shape == (2, 3, 16, 16)
        for j, flipped in enumerate(records[1]["flip"]):
            image = plain[2 * i + j][0]
            assert views[1][j].equal(image.flip(-1) if flipped else image)
            flips.append(bool(flipped))
    assert 0 < sum(flips) < len(flips) == 8


class Wrapper:
    """A user's own class that only runs a pipeline, which one of its attributes holds."""

    def __init__(self, pipeline: Any) -> None:
        self.name, self.pipeline = "mine", pipeline

    def __call__(self, image: Any) -> Any:
        return self.pipeline(image)


class ModuleWrapper(nn.Module):
    """The same, as a module."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, image: Any) -> Any:
        return self.pipeline(image)


WRAPPERS: Mapping[type, str] = {Wrapper: "pipeline", ModuleWrapper: "pipeline"}


@pytest.mark.parametrize("kind", [Wrapper, ModuleWrapper])
@pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pipeline_in_an_own_class_is_recorded(
    assert_same_record: Check, kind: Any, api: Any, nested: bool
) -> None:
    plain = api.Compose([api.RandomResizedCrop(16), api.RandomHorizontalFlip(), api.RandomInvert()])
    steps = list(plain.transforms)
    own_class = kind(plain)
    outer = api.Compose([Wrapper(own_class), api.RandomGrayscale(0.5)]) if nested else own_class
    recorder = TorchvisionRecorder(outer, wrappers=WRAPPERS)
    direct = TorchvisionRecorder(
        api.Compose([*steps, api.RandomGrayscale(0.5)]) if nested else plain
    )
    twin = pickle.loads(pickle.dumps(recorder))
    for seed in range(4):
        (view, record), *_ = own(recorder, IMAGES[0], seed)
        torch.manual_seed(seed)
        assert torch.equal(view, outer(IMAGES[0]))
        assert_same_record(record, own(direct, IMAGES[0], seed)[0][1])
        assert_same_record(record, own(twin, IMAGES[0], seed)[0][1])
    assert own_class.pipeline is plain
    assert all(a is b for a, b in zip(plain.transforms, steps, strict=True))
    assert not any("Tap" in base.__name__ for step in steps for base in type(step).__mro__)


def test_an_own_class_that_is_not_named_is_refused() -> None:
    with pytest.raises(PipelineError, match="it can record, found 'Wrapper'"):
        TorchvisionRecorder(Wrapper(v1.RandomHorizontalFlip()))
    with pytest.raises(PipelineError, match="it can record, found 'Random'"):
        TorchvisionRecorder(Wrapper(random.Random()), wrappers=WRAPPERS)


def test_views_come_one_by_one_with_their_bits() -> None:
    for several, image in (
        (MultiViewRecorder([strong(), weak()]), IMAGES[0]),
        (MultiViewRecorder(kornia()), IMAGES / 255),
    ):
        torch.manual_seed(0)
        *views, packed = several(image)
        torch.manual_seed(0)
        for number, view in enumerate(views):
            again, bits = several.bits_of_view(number, image)
            assert again.equal(view)
            assert bits.equal(packed[..., number, :])
