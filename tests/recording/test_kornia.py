"""KorniaRecorder: the views are the pipeline's own, and the record fits its layout."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from augself_loss import Record, identity_record, pack, unpack
from augself_loss.recording.kornia import KorniaRecorder

Images: TypeAlias = Callable[..., Tensor]
Build: TypeAlias = Callable[[], nn.Module]


def simclr(**options: bool) -> list[nn.Module]:
    return [
        K.RandomResizedCrop((12, 12), (0.2, 1.0), **options),
        K.RandomHorizontalFlip(p=0.5, **options),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8, **options),
        K.RandomGrayscale(p=0.2, **options),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5, **options),
        K.RandomSolarize((0.4, 0.6), (0.0, 0.0), p=0.2, **options),
    ]


def choice() -> list[nn.Module]:
    return [
        K.RandomHorizontalFlip(p=0.7),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.7),
        K.RandomGrayscale(p=0.7),
        K.RandomInvert(p=0.7),
    ]


PIPELINES: dict[str, Build] = {
    "AugmentationSequential": lambda: K.AugmentationSequential(*simclr()),
    "ImageSequential": lambda: K.ImageSequential(*simclr()),
    "nn.Sequential": lambda: nn.Sequential(*simclr()),
    "same_on_batch": lambda: K.AugmentationSequential(*simclr(), same_on_batch=True),
    "each same_on_batch": lambda: nn.Sequential(*simclr(same_on_batch=True)),
    "nested": lambda: K.AugmentationSequential(
        K.ImageSequential(*simclr()[:2]), K.AugmentationSequential(*simclr()[2:4]), *simclr()[4:]
    ),
    "nested in nn": lambda: nn.Sequential(
        K.ImageSequential(*simclr()[:3]), nn.Sequential(*simclr()[3:5]), simclr()[5]
    ),
    "nn in nested": lambda: K.ImageSequential(*simclr()[:2], nn.Sequential(*simclr()[2:])),
    "one of": lambda: K.ImageSequential(*choice(), random_apply=1),
    "two or three of": lambda: K.AugmentationSequential(*choice(), random_apply=(2, 3)),
    "any order": lambda: K.ImageSequential(*choice(), random_apply=True),
    "weights": lambda: K.ImageSequential(
        *choice(), random_apply=1, random_apply_weights=[0.1, 0.5, 0.3, 0.1]
    ),
    "choice in the middle": lambda: K.AugmentationSequential(
        *simclr()[:2], K.ImageSequential(*choice()[1:], random_apply=1), simclr()[5]
    ),
    "single": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5),
    "single geometric": lambda: K.RandomResizedCrop((12, 12)),
    "fixed steps": lambda: K.AugmentationSequential(
        *simclr(), K.Resize((9, 9)), K.Normalize(mean=torch.tensor(0.5), std=torch.tensor(0.2))
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("seed", range(3))
def test_views_are_those_of_the_pipeline_alone(name: str, seed: int, smooth: Images) -> None:
    torch.manual_seed(100)  # same_on_batch and choices are drawn when the pipeline runs
    pipeline = PIPELINES[name]()
    recorder = KorniaRecorder(copy.deepcopy(pipeline))
    images = smooth(6, 16, 20, seed=seed)
    before = images.clone()
    for _ in range(2):  # the first call also looks at the images' values
        torch.manual_seed(seed)
        alone, state = pipeline(images), torch.get_rng_state()
        torch.manual_seed(seed)
        view, _ = recorder(images)
        assert torch.equal(view, alone)
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", PIPELINES)
def test_record_has_its_layout(name: str, smooth: Images) -> None:
    recorder = KorniaRecorder(PIPELINES[name]())
    _, record = recorder(smooth(6, 16, 20))
    assert list(record) == list(recorder.layout)
    for entry, field in recorder.layout.items():
        assert record[entry].shape == (6, field.width)
        assert record[entry].dtype == torch.float32
        assert not record[entry].requires_grad
    for encoder in recorder.encoders:
        encoder.check(record)
        assert encoder.fields.items() <= dict(recorder.layout).items()


@pytest.mark.parametrize("name", ["same_on_batch", "each same_on_batch"])
def test_same_on_batch_records_one_row_for_all(name: str, smooth: Images) -> None:
    _, record = KorniaRecorder(PIPELINES[name]())(smooth(6, 16, 20))
    for entry in record.values():
        assert torch.equal(entry, entry[:1].expand_as(entry))


def test_record_travels_as_plain_tensors(
    smooth: Images, assert_same_record: Callable[[Record, Record], None]
) -> None:
    recorder = KorniaRecorder(PIPELINES["AugmentationSequential"]())
    _, record = recorder(smooth(4, 16, 20))
    rows = [{name: entry[i] for name, entry in record.items()} for i in range(4)]
    assert_same_record(default_collate(rows), record)
    assert_same_record(unpack(pack(record, recorder.layout), recorder.layout), record)
    moved = {name: entry.to("cpu", torch.float32) for name, entry in record.items()}
    assert_same_record(moved, record)
    assert_same_record(pickle.loads(pickle.dumps(record)), record)


@pytest.mark.parametrize("name", ["AugmentationSequential", "nested", "one of"])
def test_a_copied_or_pickled_recorder_records_the_same(
    name: str, smooth: Images, assert_same_record: Callable[[Record, Record], None]
) -> None:
    recorder = KorniaRecorder(PIPELINES[name]())
    images = smooth(4, 16, 20)
    results = []
    for twin in (recorder, copy.deepcopy(recorder), pickle.loads(pickle.dumps(recorder))):
        torch.manual_seed(7)
        results.append(twin(images))
    for view, record in results[1:]:
        assert torch.equal(view, results[0][0])
        assert_same_record(record, results[0][1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_boxes_drawn_in_half_precision_are_told_exactly(dtype: torch.dtype) -> None:
    """They were told in half precision themselves, several pixels off in a large image."""
    crop, default = K.RandomResizedCrop((8, 8)), torch.get_default_dtype()
    recorder = KorniaRecorder(crop)
    torch.set_default_dtype(dtype)
    try:
        images = torch.rand(8, 1, 250, 310, dtype=torch.float32)  # 0.7 takes no bfloat16
        views, record = recorder(images)
        corners = crop._params["src"].long()
        assert torch.equal(recorder.replay(images, record), views)
    finally:
        torch.set_default_dtype(default)
    (left, top), (right, bottom) = corners[:, 0].T, corners[:, 2].T
    box = torch.stack([top, left, bottom - top + 1, right - left + 1], dim=-1)
    assert torch.equal(record["crop"], box / torch.tensor([250, 310, 250, 310]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_record_is_float32_whatever_the_images(dtype: torch.dtype, smooth: Images) -> None:
    recorder = KorniaRecorder(PIPELINES["AugmentationSequential"]())
    images = smooth(4, 16, 20).to(dtype)
    try:
        torch.manual_seed(1)
        recorder.pipeline(images)
    except TypeError:
        pytest.skip(f"this Kornia does not take {dtype}")
    torch.manual_seed(1)
    view, record = recorder(images)
    torch.manual_seed(1)
    _, exact = recorder(smooth(4, 16, 20))
    assert view.dtype == dtype
    for name, entry in record.items():
        assert entry.dtype == torch.float32
        assert torch.equal(entry, exact[name]), name


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("batch", [1, 4])
def test_all_or_none_applied(p: float, batch: int, smooth: Images) -> None:
    steps = [*simclr(), K.RandomVerticalFlip(), K.RandomRotation90((1, 1)), K.RandomErasing()]
    for step in steps[1:]:
        step.p = p
    recorder = KorniaRecorder(nn.Sequential(*steps))
    _, record = recorder(smooth(batch, 16, 20))
    identity = identity_record(recorder.layout, batch)
    for name in record.keys() - {"crop", "color_order", "solarize_addition"}:
        same = (record[name] == identity[name]).all(dim=-1)
        assert torch.equal(same, torch.full((batch,), p == 0)), name


def test_a_crop_that_is_skipped_is_the_whole_image(smooth: Images) -> None:
    recorder = KorniaRecorder(
        nn.Sequential(K.RandomHorizontalFlip(p=1.0), K.RandomCrop((8, 8), p=0.5))
    )
    images = smooth(3, 16, 20)
    skipped = []
    for seed in range(12):
        torch.manual_seed(seed)
        view, record = recorder(images)
        skipped.append(view.shape == images.shape)
        whole = torch.equal(record["crop"], torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(3, 4))
        assert whole == skipped[-1]
    assert 0 < sum(skipped) < 12


def test_a_child_that_was_not_chosen_records_the_identity(smooth: Images) -> None:
    """It still holds the parameters of an earlier call, in which it was chosen."""
    children = [K.RandomGaussianBlur((3, 3), (0.5, 2.0), p=1.0), K.RandomInvert(p=1.0)]
    recorder = KorniaRecorder(K.ImageSequential(*children, random_apply=1))
    images = smooth(4, 16, 20)
    seen = set()
    for seed in range(12):
        torch.manual_seed(seed)
        view, record = recorder(images)
        inverted = torch.equal(view, 1 - images)
        seen.add(inverted)
        assert torch.equal(record["invert"], torch.full((4, 1), float(inverted)))
        assert ((record["blur"] > 0) == (not inverted)).all()
        assert all(child._params for child in children) or len(seen) == 1
    assert seen == {True, False}


def test_random_order_of_flips_and_crops_is_recorded(
    ramps: Images, misplaced: Callable[[Tensor, Record], Tensor]
) -> None:
    pipeline = K.ImageSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomVerticalFlip(p=0.5),
        K.RandomCrop((20, 20), padding=2),
        random_apply=(1, 3),
    )
    recorder = KorniaRecorder(pipeline)
    for seed in range(10):
        torch.manual_seed(seed)
        view, record = recorder(ramps(4, 32, 32))
        assert misplaced(view, record).max() < 1e-5


def test_types_writes_what_the_pipeline_never_does(smooth: Images) -> None:
    types = ["color", "crop", "blur", "rotation"]
    recorder = KorniaRecorder(K.RandomHorizontalFlip(p=0.5), types=types)
    _, record = recorder(smooth(5, 8, 8))
    assert {*types, "flip"} <= record.keys()
    identity = identity_record(recorder.layout, 5)
    for name in record.keys() - {"flip"}:
        assert torch.equal(record[name], identity[name])
    assert [encoder.name for encoder in recorder.encoders] == ["flip"]


def test_types_gives_two_pipelines_one_layout() -> None:
    types = ["crop", "flip", "color", "grayscale", "blur", "solarize"]
    full = KorniaRecorder(K.AugmentationSequential(*simclr()), types=types)
    less = KorniaRecorder(K.AugmentationSequential(*simclr()[:3]), types=types)
    assert list(full.layout) == list(less.layout)
    assert [f.width for f in full.layout.values()] == [f.width for f in less.layout.values()]


@pytest.mark.parametrize("wrap", [nn.Sequential, K.ImageSequential, K.AugmentationSequential])
def test_a_step_that_can_never_change_a_view_is_not_recorded(
    wrap: Callable[..., nn.Module], smooth: Images
) -> None:
    images = smooth(4, 8, 8)
    recorder = KorniaRecorder(wrap(K.ColorJitter(), K.RandomHorizontalFlip(), K.RandomGamma()))
    view, record = recorder(images)
    assert list(record) == ["flip"]
    assert torch.allclose(recorder.replay(images, record), view, atol=1e-6)
    _, nothing = KorniaRecorder(wrap(K.Resize((4, 4))))(images)
    assert nothing == {}


def test_a_crop_brings_the_flip_that_its_target_reads(smooth: Images) -> None:
    _, record = KorniaRecorder(K.RandomResizedCrop((8, 8)))(smooth(3, 16, 16))
    assert torch.equal(record["flip"], torch.zeros(3, 1))
