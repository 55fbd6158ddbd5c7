"""Recording albumentations pipelines: what comes back, what is refused, what a change does."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations.core import serialization
from albumentations_pipelines import IMAGE, nested, same, states, usual

from augself_loss.encoders import BlurEncoder, RegressionEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.albumentations import AlbumentationsRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views

BUILDS: dict[str, Callable[..., Any]] = {"usual": usual, "nested": nested}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_views_and_generators_are_those_of_the_plain_pipeline(build: Callable[..., Any]) -> None:
    plain, recorded = build(seed=7), build(seed=7)
    recorder = AlbumentationsRecorder(recorded)
    random.seed(0)
    before = random.getstate(), np.random.get_state()[1].sum(), torch.get_rng_state()
    for _ in range(30):
        data, record = recorder(image=IMAGE)
        assert same(data, plain(image=IMAGE))
        assert list(record) == list(recorder.layout)
        assert all(columns.dtype == torch.float32 for columns in record.values())
        for encoder in recorder.encoders:
            encoder.check({entry: columns[None] for entry, columns in record.items()})
    assert states(plain) == states(recorded)
    after = random.getstate(), np.random.get_state()[1].sum(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_what_belongs_to_the_image_goes_with_it() -> None:
    def build() -> Any:
        return A.Compose(
            [A.RandomCrop(30, 30), A.HorizontalFlip(), A.ColorJitter()], seed=1,
            bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]),
            keypoint_params=A.KeypointParams("xy"), additional_targets={"depth": "image"},
            save_applied_params=True,
        )  # fmt: skip

    given = {
        "image": IMAGE, "mask": IMAGE[..., 0], "masks": [IMAGE[..., 1]], "name": "a picture",
        "depth": IMAGE[::-1].copy(), "bboxes": [[3, 4, 20, 30], [25, 9, 40, 33]], "labels": [1, 2],
        "keypoints": [(9, 9), (30, 20)],
    }  # fmt: skip
    plain, recorder = build(), AlbumentationsRecorder(build())
    for _ in range(5):
        expected, (data, record) = plain(**given), recorder(**given)
        assert list(data) == list(expected)
        assert data["applied_transforms"][0][0] == expected["applied_transforms"][0][0]
        for key in ("image", "mask", "masks", "depth", "bboxes", "labels", "keypoints", "name"):
            assert same(np.asarray(data[key]), np.asarray(expected[key])), key
        assert set(record) == {"crop", "flip", "color", "color_order"}


def test_a_replay_compose_says_what_it_says_alone() -> None:
    def build() -> Any:
        return A.ReplayCompose([A.RandomCrop(30, 30), A.OneOf([A.HorizontalFlip(), A.InvertImg()])])

    plain, recorded = build(), build()
    for transform in (plain, recorded):
        transform.set_random_seed(3)
    recorder = AlbumentationsRecorder(recorded)
    for _ in range(5):
        (data, _), expected = recorder(image=IMAGE), plain(image=IMAGE)
        assert data["replay"] == expected["replay"]
        again = A.ReplayCompose.replay(data["replay"], image=IMAGE)["image"]
        assert same(again, data["image"])


def test_albumentations_registries_are_left_alone() -> None:
    AlbumentationsRecorder(nested())
    classes = {
        **serialization.SERIALIZABLE_REGISTRY, **serialization.NON_SERIALIZABLE_REGISTRY
    }  # fmt: skip
    assert not [name for name, cls in classes.items() if "augself" in f"{name} {cls.__module__}"]


def test_an_image_alone_gives_a_view_alone() -> None:
    recorder = AlbumentationsRecorder(usual(seed=2))
    view, record = recorder(IMAGE)
    data, again = AlbumentationsRecorder(usual(seed=2))(image=IMAGE)
    assert same(view, data["image"])
    assert same(record, again)


def test_workers_are_given_draws_of_their_own_by_the_recorder_s_pipeline() -> None:
    recorder, plain = AlbumentationsRecorder(nested(seed=2)), nested(seed=2)
    for transform in (recorder.transform, plain):
        transform.set_random_seed(11)
    for _ in range(5):
        assert same(recorder(image=IMAGE)[0], plain(image=IMAGE))


def test_several_views_and_their_packed_records() -> None:
    one, other = usual(seed=2), A.Compose([A.RandomResizedCrop((24, 24)), A.ToTensorV2()], seed=3)
    two_views = MultiViewRecorder([AlbumentationsRecorder(one), AlbumentationsRecorder(other)])
    batch = default_collate([two_views(IMAGE) for _ in range(3)])
    views, records = split_views(batch, two_views.layout)
    assert [tuple(view.shape) for view in views] == [(3, 3, 24, 24)] * 2
    singly = default_collate([AlbumentationsRecorder(usual(seed=2))(IMAGE)[1]])
    assert same({name: columns[:1] for name, columns in records[0].items()}, singly)
    assert bool((records[1]["flip"] == 0).all())


class Brighten(A.ImageOnlyTransform):
    """A user's own transform."""

    def __init__(self, most: float = 30.0, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.most = most

    def get_params(self) -> dict[str, Any]:
        return {"by": self.py_random.uniform(0, self.most)}

    def apply(self, img: Any, by: float, **params: Any) -> Any:  # noqa: ARG002
        return np.clip(img.astype(np.float32) + by, 0, 255).astype(img.dtype)


class BrightenEncoder(RegressionEncoder):
    """Reads it."""

    name = "brighten"
    columns = ("by",)
    identity = (0.0,)
    albumentations = {"Brighten": lambda step: {"brighten": (step.params["by"],)}}


class ColorJitter(Brighten):
    """Bears the name of one of albumentations' own."""


def test_an_encoder_of_a_user_s_own_reads_a_transform_of_their_own() -> None:
    recorder = AlbumentationsRecorder(
        A.Compose([Brighten(p=1.0)], seed=0), encoders=[BrightenEncoder((0.0, 30.0))]
    )
    data, record = recorder(image=np.full((4, 4, 3), 100, np.uint8))
    assert int(data["image"][0, 0, 0]) == int(100 + float(record["brighten"]))
    with pytest.raises(PipelineError, match="it can record, found 'ColorJitter'"):
        AlbumentationsRecorder(ColorJitter())


def apply_box_blur(blur: Any, data: dict[str, Any]) -> tuple[Any, Any]:
    result = blur(**data)
    kernel = blur.get_applied_params().get("kernel")
    return result, None if kernel is None else (kernel / 3,)


def test_a_registered_callable_is_run_as_the_user_says() -> None:
    def build() -> Any:
        return A.Compose([A.OneOf([A.Blur(), A.HorizontalFlip()]), A.ToFloat()], seed=0)

    recorder = AlbumentationsRecorder(
        build(), register={A.Blur: (BlurEncoder((0.5, 3.0)), apply_box_blur)}
    )
    plain, seen = build(), set()
    for _ in range(12):
        data, record = recorder(image=IMAGE)
        assert same(data, plain(image=IMAGE))
        seen.add(float(record["blur"]) > 0)
    assert seen == {True, False}


def test_what_is_ignored_runs_and_is_not_recorded() -> None:
    names = {"ignore": [A.RGBShift, A.RandomScale]}
    transform = A.Compose([A.RandomScale(), A.RGBShift(p=1.0), A.RandomCrop(20, 20)], seed=0)
    data, record = AlbumentationsRecorder(transform, **names)(image=IMAGE)
    assert list(record) == ["crop", "flip"]
    assert data["image"].shape == (20, 20, 3)


def test_threads_keep_their_records_apart() -> None:
    recorder = AlbumentationsRecorder(A.Compose([A.RandomCrop(1, 1), A.InvertImg(), A.ToFloat()]))
    grid = np.stack(np.meshgrid(np.arange(60), np.arange(50), indexing="ij"), -1).astype(np.uint8)

    def agrees(_: int) -> bool:
        data, record = recorder(image=grid)
        y, x = (float(v) for v in data["image"][0, 0] * 255)
        y, x = (255 - y, 255 - x) if record["invert"] == 1 else (y, x)
        top, left, *_ = record["crop"].tolist()
        return abs(top * 60 - y) < 0.01 and abs(left * 50 - x) < 0.01

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(agrees, range(400)))


def test_no_warning_is_added() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AlbumentationsRecorder(usual())(image=IMAGE)
