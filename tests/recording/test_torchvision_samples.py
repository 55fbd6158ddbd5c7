"""Samples of an image with masks, boxes and labels: v2 augments all together, one is recorded."""

from __future__ import annotations

import functools
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from segmentation import HEIGHT, WIDTH, Segmentation, image, mask, pixels
from torch import Tensor
from torch.utils._pytree import tree_flatten
from torch.utils.data import DataLoader, default_collate
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from augself_loss import AugSelf, ImageError, PipelineError, RecordError
from augself_loss.encoders import SolarizeEncoder
from augself_loss.encoders.base import Columns
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:RandomErasing.*is currently passing through inputs"),
]


class Sample(NamedTuple):
    image: Any
    mask: Any


def boxes() -> tv_tensors.BoundingBoxes:
    size = (HEIGHT, WIDTH)
    return tv_tensors.BoundingBoxes([[2, 3, 12, 9], [4, 4, 9, 20]], format="XYXY", canvas_size=size)


def target() -> dict[str, Any]:
    return {"boxes": boxes(), "masks": mask(), "labels": torch.tensor([1, 2]), "id": 7}


SAMPLES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "two arguments": lambda: (image(), mask()),
    "image and target": lambda: (image(), target()),
    "a PIL image and its target": lambda: (functional.to_pil_image(pixels()), target()),
    "three arguments, the image last": lambda: (mask(), target(), image()),
    "a tuple": lambda: ((image(), mask(), 3),),
    "a list": lambda: ([image(), target()],),
    "a named tuple": lambda: (Sample(image(), mask()),),
    "a dict": lambda: ({"image": image(), **target()},),
    "masks first": lambda: ({"mask": mask(), "boxes": boxes(), "image": image()},),
    "an ordered dict": lambda: (OrderedDict(target=target(), image=image()),),
    "nested": lambda: ({"inputs": [image()], "targets": (target(), mask())},),
    "a plain tensor": lambda: (pixels(), mask(), torch.tensor(3)),
    "labels before an image": lambda: (torch.tensor(3), "name", None, image()),
}


def pipeline() -> v2.Compose:
    return v2.Compose(
        [
            v2.RandomChoice([v2.RandomResizedCrop(20), v2.RandomCrop(16)]),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.RandomRotation(20)], p=0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomPerspective(p=0.3),
            v2.ClampBoundingBoxes(),
            v2.ConvertBoundingBoxFormat("CXCYWH"),
            v2.GaussianBlur(3),
            v2.Resize((18, 18)),
            v2.ToImage(),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            v2.RandomErasing(p=0.5),
        ]
    )


def seeded(seed: int, call: Callable[..., Any], *sample: Any) -> Any:
    torch.manual_seed(seed)
    return call(*sample)


def assert_same(made: Any, expected: Any) -> None:
    """Same structure, types and values, bit for bit."""
    (parts, form), (others, other_form) = tree_flatten(made), tree_flatten(expected)
    assert form == other_form
    for one, other in zip(parts, others, strict=True):
        assert type(one) is type(other)
        assert torch.equal(one, other) if isinstance(one, Tensor) else one == other


@pytest.mark.parametrize("name", SAMPLES)
def test_what_comes_back_is_what_the_pipeline_returns(name: str) -> None:
    plain, make = pipeline(), SAMPLES[name]
    recorder = pickle.loads(pickle.dumps(TorchvisionRecorder(plain)))
    for seed in range(6):
        made, record = seeded(seed, recorder, *make())
        state = torch.get_rng_state()
        assert_same(made, seeded(seed, plain, *make()))
        assert torch.equal(state, torch.get_rng_state())
        # What is drawn for an image does not depend on what is beside it.
        lone, expected = seeded(seed, recorder, image())
        assert record.keys() == expected.keys()
        assert all(torch.equal(record[entry], expected[entry]) for entry in record)
        if name == "two arguments":
            assert torch.equal(made[0], lone)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_view_is_a_sample(name: str) -> None:
    sample = SAMPLES[name]()
    recorder = MultiViewRecorder(TorchvisionRecorder(pipeline()))
    first, second, packed = seeded(3, recorder, *sample)
    plain = pipeline()
    torch.manual_seed(3)
    for view in (first, second):
        assert_same(view, plain(*sample))
    assert packed.shape == seeded(3, recorder, image())[-1].shape


class Wrapper:
    """Of a user's own: runs a pipeline on an image and its mask."""

    def __init__(self, skip: bool = False) -> None:
        self.transform, self.skip = v2.RandomHorizontalFlip(1.0), skip

    def __call__(self, image: Any, mask: Any) -> Any:
        return (image, mask) if self.skip else self.transform(image, mask)


def solarized(transform: Any, sample: Any) -> tuple[Any, Columns | None]:
    image, mask = sample
    return (transform(image), mask), (0.5,)


def test_wrappers_and_registered_callables_take_samples() -> None:
    solarize = functools.partial(functional.solarize, threshold=128)
    own = {solarize: (SolarizeEncoder((0.0, 1.0)), solarized)}
    (view, moved), record = TorchvisionRecorder(
        v2.Compose([Wrapper(), solarize]), wrappers={Wrapper: "transform"}, register=own
    )(image(), mask())
    assert torch.equal(view, functional.solarize(image().flip(-1), 128))
    assert torch.equal(moved, mask().flip(-1))
    assert (record["flip"].item(), record["solarize"].item()) == (1, 0.5)
    skipped = TorchvisionRecorder(Wrapper(skip=True), wrappers={Wrapper: "transform"})
    assert skipped(image(), mask())[1] == {"flip": 0}


REFUSED: dict[str, tuple[Any, str]] = {
    "two images": ([image(), image()], "a list of 2: torchvision would augment all of them"),
    "two images, a mask": ((image(), image(), mask()), "a sample with 2: torchvision would"),
    "a video beside": ({"a": image(), "b": tv_tensors.Video(pixels()[None])}, "a sample with 2"),
    "no image": ((mask(), 3), r"sample with a PIL image or tensor, found \['Mask', 'int'\]"),
    "no image, a dict": ({"mask": mask()}, r"found \['Mask'\]"),
    "NumPy": ((pixels().numpy(), mask()), r"found \['ndarray', 'Mask'\].*v2\.ToImage"),
    "plain masks": (
        (pixels(), pixels()[:1]), r"found a tuple of 2: .* once per image; .*tv_tensors\.Mask\(mask"
    ),
    "plain masks in a dict": (
        {"mask": pixels()[:1], "image": pixels()},
        r"2 plain tensors, \[\(1, 24, 30\), \(3, 24, 30\)\].*only the first.*tv_tensors\.Image",
    ),
    "plain labels first": (
        (torch.tensor([3]), pixels()), r"2 plain tensors, \[\(1,\), \(3, 24, 30\)\]"
    ),
    "a batch and masks": ((pixels()[None], mask()), "would augment the whole batch alike"),
    "floats to 255": ((pixels().float(), mask()), "values up to 255"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_record_of_its_own_is_refused(name: str) -> None:
    sample, found = REFUSED[name]
    recorder = TorchvisionRecorder(pipeline())
    for take in (recorder, MultiViewRecorder(recorder)):
        with pytest.raises(ImageError, match=found):
            take(sample)


def test_a_dicts_image_with_floats_to_255_is_refused() -> None:
    """torchvision would clamp it; only images that stood alone or in a tuple were looked at."""
    recorder = TorchvisionRecorder(v2.ColorJitter(0.4))
    with pytest.raises(ImageError, match="values up to 255"):
        recorder({"id": 7, "image": tv_tensors.Image(pixels().float()), "mask": mask()})
    recorder({"depth": pixels().float(), "image": image()})


def test_an_image_that_a_pipeline_makes_plain_is_not_mixed_up_with_a_mask() -> None:
    """v2 would from there on augment the mask alone."""
    recorder = TorchvisionRecorder(v2.Compose([v2.ToPureTensor(), v2.RandomHorizontalFlip()]))
    sample = {"mask": tv_tensors.Mask(pixels()[:1]), "image": image()}
    for seed in range(4):
        with pytest.raises(ImageError, match=r"2 plain tensors.*augment only the first"):
            seeded(seed, recorder, sample)
    assert recorder(image())[1].keys() == {"flip"}


def test_the_first_version_takes_an_image_alone() -> None:
    recorder = TorchvisionRecorder(v1.Compose([v1.RandomResizedCrop(16)]))
    with pytest.raises(ImageError, match=r"v1 transforms take only an image.*transforms\.v2"):
        recorder((image(), mask()))


def test_several_samples_for_one_are_refused() -> None:
    def twice(sample: Any) -> Any:
        return [sample, sample]

    recorder = TorchvisionRecorder(v2.Compose([v2.RandomHorizontalFlip(), twice]), ignore=[twice])
    with pytest.raises(PipelineError, match="to return one view"):
        recorder({"image": image(), "mask": mask()})


STARTS = [None, *(pytest.param(s, marks=pytest.mark.processes) for s in ("fork", "spawn"))]


@pytest.mark.parametrize("start", STARTS)
def test_samples_in_workers(start: str | None) -> None:
    data: Any = Segmentation()
    workers = 0 if start is None else 2
    loader: DataLoader[Any] = DataLoader(
        data, 2, num_workers=workers, multiprocessing_context=start
    )
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))
    augself = AugSelf(model, data.recorder, {"crop": 1.0})
    for batch in loader:
        view1, view2 = augself.views(batch)
        assert [tuple(part.shape) for part in batch[1]] == [(2, 16, 16)] * 2
        (model(view1).mean() + model(view2).mean() + augself.term()).backward()


def test_views_that_are_samples_pass_collates_and_are_refused_by_the_term() -> None:
    recorder = MultiViewRecorder(TorchvisionRecorder(v2.RandomResizedCrop(16)))
    samples = [(recorder(image(), mask()), 1), (recorder(image(), mask()), 2)]
    (first, second, packed), labels = default_collate(samples)
    assert [tuple(part.shape) for part in [*first, *second]] == [(2, 3, 16, 16), (2, 16, 16)] * 2
    assert packed.shape[:2] == (2, 2)
    assert labels.tolist() == [1, 2]
    with pytest.raises(RecordError, match=r"found \['list', 'list'\].*return \[image1, image2,"):
        split_views([first, second, packed], recorder.layout)
    augself = AugSelf(torch.nn.Flatten(), recorder, {"crop": 1.0})
    with pytest.raises(RecordError, match="Take out the images where the data set"):
        augself.views(([first, second, packed], labels))
    images = [first[0], second[0], packed]
    assert len(split_views(images, recorder.layout)[1]) == 2
