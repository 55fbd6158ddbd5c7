"""Where the views are in a batch: found, replaced, stripped and augmented there."""

from __future__ import annotations

import copy
from collections import OrderedDict, UserDict
from typing import Any, NamedTuple

import pytest
import torch
from kornia.augmentation import RandomHorizontalFlip
from torchvision.transforms import v2

from augself_loss import AugSelf
from augself_loss.errors import RecordError
from augself_loss.hosting.batches import At, Place
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder

FLIP = v2.RandomHorizontalFlip()
RECORDER = MultiViewRecorder(KorniaRecorder(RandomHorizontalFlip(p=1.0)))


class Batch(NamedTuple):
    images: Any
    labels: int


BATCHES: dict[str, tuple[At, Any, Any]] = {
    "a list": (0, ["views", 1], ["others", 1]),
    "a tuple": (1, (1, "views"), (1, "others")),
    "a named tuple": (0, Batch("views", 1), Batch("others", 1)),
    "a dict": ("image", {"image": "views", "y": 1}, {"image": "others", "y": 1}),
    "the batch itself": (None, "views", "others"),
    "a dict of another class": (
        "image", UserDict({"image": "views", "y": 1}), UserDict({"image": "others", "y": 1})
    ),
    "a path of one step": (("image",), {"image": "views"}, {"image": "others"}),
    "a list in a dict": (
        ("unlabelled", 0),
        {"labelled": [1, 2], "unlabelled": ["views", 3]},
        {"labelled": [1, 2], "unlabelled": ["others", 3]},
    ),
    "as a config file has it": (["u", -1], {"u": [1, "views"]}, {"u": [1, "others"]}),
    "all kinds, one in another": (
        (1, "u", 0, 0),
        (0, OrderedDict(u=Batch(["views", 2], 3), v=4)),
        (0, OrderedDict(u=Batch(["others", 2], 3), v=4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHES)
def test_views_are_found_and_replaced_in_a_copy(name: str) -> None:
    at, batch, expected = BATCHES[name]
    place, before = Place(at), copy.deepcopy(batch)
    replaced = place.put(batch, "others")
    assert batch == before
    assert place.get(batch) == "views"
    assert place.get(replaced) == "others"
    assert replaced == expected
    assert _types(replaced) == _types(batch)


def _types(batch: Any) -> Any:
    """What a batch is made of, at any depth."""
    inner = batch.values() if isinstance(batch, (dict, UserDict)) else batch
    nested = not isinstance(batch, (int, str))
    return [type(batch), *map(_types, inner)] if nested else type(batch)


def test_what_is_beside_the_path_is_not_copied() -> None:
    batch = {"labelled": [torch.zeros(2)], "unlabelled": ["views", torch.zeros(2)]}
    replaced = Place(("unlabelled", 0)).put(batch, "others")
    assert replaced["labelled"] is batch["labelled"]
    assert replaced["unlabelled"][1] is batch["unlabelled"][1]


@pytest.mark.parametrize(("at", "batch"), [("image", {"x": 1}), (2, [1, 2]), (0, 1), ("x", [1])])
def test_a_place_that_is_not_there_is_refused(at: int | str, batch: Any) -> None:
    with pytest.raises(RecordError, match="Say where they are"):
        Place(at).get(batch)
    assert Place(at).stripped(batch) is batch


MISSING: dict[str, tuple[At, Any, str]] = {
    "first step": (
        ("unlabelled", 0), {"labelled": 1, "u": 2}, r"found \['labelled', 'u'\]\. Say where"
    ),
    "second step": (
        ("u", "image"), {"u": [1, 2]}, r"at \('u', 'image'\).*found list of 2 at \('u',\)\. Say"
    ),
    "too short": (("u", 2), {"u": (1, 2)}, r"found tuple of 2 at \('u',\)"),
    "last step": (("u", 0, "view"), {"u": [{"image": 1}]}, r"found \['image'\] at \('u', 0\)"),
    "no container": (("u", 0), {"u": 3}, r"found int at \('u',\)"),
    "a loader that ran out": (
        ("u", 0), {"u": None}, r"found None at \('u',\): .*CombinedLoader.*mode='max_size_cycle'"
    ),
    "and has no label": ("u", {"u": None}, r"found None at \('u',\): .*CombinedLoader"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_the_step_at_which_a_path_ends_is_named(name: str) -> None:
    at, batch, found = MISSING[name]
    with pytest.raises(RecordError, match=found):
        Place(at).get(batch)
    assert Place(at).stripped(batch) is batch


def test_records_are_stripped_where_there_are_some() -> None:
    *views, packed = RECORDER(torch.rand(2, 3, 4, 4))
    stripped = Place(0).stripped(([*views, packed], "labels"))
    assert stripped[1] == "labels"
    assert len(stripped[0]) == len(views)
    nested = Place(("u", 0)).stripped({"l": 1, "u": ([*views, packed], "labels")})
    assert nested["u"][1] == "labels"
    assert len(nested["u"][0]) == len(views)
    alone = Place(0).stripped(([*views, packed], "labels"), third=0)
    assert len(alone[0]) == 1
    assert alone[0][0] is views[1]
    plain = (views, "labels")
    assert Place(0).stripped(plain, third=0) is plain


def test_images_become_views_and_records() -> None:
    images = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    (view, _, packed), _ = Place(0).augmented((images, 0), RECORDER, torch.float64)
    assert torch.equal(view, (images / 255).to(torch.float64).flip(-1))
    assert packed.shape[:2] == (2, 2)
    with pytest.raises(RecordError, match="expected a tensor of images at 1"):
        Place(1).augmented((images, 0), RECORDER, torch.float32)


class TwoCrops:
    """Makes two views."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, image: Any) -> Any:
        return [self.transform(image), self.transform(image)]


ONE_BY_ONE: dict[str, tuple[Any, str]] = {
    "one for both": (TorchvisionRecorder(FLIP), r"MultiViewRecorder\(recorder\)"),
    "one per view": (
        MultiViewRecorder(TorchvisionRecorder(FLIP)),
        r"MultiViewRecorder\(recorder\)",
    ),
    "of an object": (ViewsRecorder(TwoCrops(FLIP)), "the recorder"),
}


@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_images_without_records_are_refused_where_they_come_one_by_one(case: str) -> None:
    recorder, transform = ONE_BY_ONE[case]
    augself = AugSelf(torch.nn.Flatten(), recorder, {"flip": 1.0})
    images, labels = torch.rand(4, 3, 8, 8), torch.zeros(4)
    says = f"no records, and TorchvisionRecorder .* data set {transform} as .*without views"
    for batch in (images, [images, labels], [[images, {"flip": torch.zeros(4, 1)}], labels]):
        with pytest.raises(RecordError, match=says) as refused:
            augself.views(batch)
        assert len(str(refused.value)) <= 350
