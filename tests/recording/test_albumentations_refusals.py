"""What no record of an albumentations pipeline can tell is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations_pipelines import IMAGE

from augself_loss import AugSelf
from augself_loss.encoders import BlurEncoder, RegressionEncoder
from augself_loss.errors import ImageError, PipelineError, RecordError
from augself_loss.recording.albumentations import AlbumentationsRecorder
from augself_loss.recording.albumentations.library import check_library

AT_RANDOM = "to be applied always, found it applied at random by"

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (A.RGBShift, "it can record, found 'RGBShift'.*register=.*ignore="),
    "another operation": (A.HueSaturationValue, "it can record, found 'HueSaturationValue'"),
    "corners": (A.Perspective, "it can record, found 'Perspective'"),
    "a size that fits": (A.SafeRotate, "it can record, found 'SafeRotate'"),
    "random sizes": (lambda: A.SmallestMaxSize([20, 30]), "it can record, found 'SmallestMaxSize'"),
    "some channels": (
        lambda: A.SelectiveChannelTransform([A.InvertImg()], channels=[0]),
        "it can record, found 'SelectiveChannelTransform'",
    ),
    "a user's container": (
        lambda: type("Mine", (A.Compose,), {"__call__": dict})([A.InvertImg()]), "'Mine'"
    ),
    "fixed by its p": (lambda: A.Normalize(p=0.5), f"'Normalize' {AT_RANDOM} 'p=0.5'"),
    "fixed in a choice": (
        lambda: A.OneOf([A.Resize(8, 8), A.NoOp()]), f"'Resize' {AT_RANDOM} 'OneOf'"
    ),
    "fixed in a Sequential": (
        lambda: A.Compose([A.Sequential([A.ToFloat()])]), "applied at random by 'Sequential'"
    ),
    "fixed in a Compose": (lambda: A.Compose([A.ToFloat()], p=0.9), "at random by 'Compose'"),
    "twice": (lambda: A.Compose([A.ColorJitter(), A.ColorJitter()]), "both set 'color'"),
    "drawn again": (
        lambda: A.SomeOf([A.ColorJitter(), A.InvertImg()], n=2, replace=True), "both set 'color'"
    ),
    "cropped after a turn": (lambda: A.Compose([A.Rotate(), A.RandomCrop(9, 9)]), "'RandomCrop'"),
    "crop_border": (lambda: A.Rotate(crop_border=True), "crop_border=False"),
    "fit_output": (lambda: A.Affine(rotate=(0, 9), fit_output=True), "fit_output=False"),
    "translate_px": (lambda: A.Affine(translate_px=(0, 9)), "translate_percent"),
    "several holes": (A.CoarseDropout, r"num_holes_range=\(1, 1\)"),
    "bits by channel": (lambda: A.Posterize([(1, 2), (2, 3), (3, 4)]), "the same number of bits"),
    "equalized in a mask": (lambda: A.Equalize(mask=IMAGE[..., 0]), "the whole image"),
    "white alone": (lambda: A.Solarize((1.0, 1.0)), "thresholds below 1"),
    "safe range": (lambda: A.RandomBrightnessContrast(ensure_safe_range=True), "ensure_safe_range"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_record_can_tell_is_refused_by_name(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(PipelineError, match=message):
        AlbumentationsRecorder(build())


def test_a_pipeline_that_replays_is_refused() -> None:
    """It draws nothing, so that there would be nothing to note."""
    data = A.ReplayCompose([A.HorizontalFlip(p=1.0)])(image=IMAGE)
    replaying = A.ReplayCompose._restore_for_replay(data["replay"])
    with pytest.raises(
        PipelineError, match="'ReplayCompose' to draw its parameters, found it in repl"
    ):
        AlbumentationsRecorder(replaying)


def test_what_is_refused_at_random_is_allowed_always() -> None:
    fixed = [A.Resize(20, 20), A.LongestMaxSize(20), A.Normalize(), A.ToTensorV2()]
    one = A.OneOf([A.OneOf([A.Sequential(fixed, p=1.0)], p=1.0)], p=1.0)
    assert AlbumentationsRecorder(A.Compose([one])).layout == {}


BAD_IMAGES: dict[str, tuple[Any, str]] = {
    "a tensor": (torch.zeros(3, 8, 8), "NumPy image.*found Tensor"),
    "nothing": (None, "NumPy image.*found NoneType"),
    "a batch": (np.zeros((2, 8, 8, 3), np.uint8), "Call the recorder once per image"),
    "no pixels": (np.zeros((0, 8, 3), np.uint8), "expected one image"),
    "a dtype": (np.zeros((8, 8, 3), np.int64), "found int64"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_what_is_no_image_is_refused(name: str) -> None:
    image, message = BAD_IMAGES[name]
    recorder = AlbumentationsRecorder(A.Compose([A.HorizontalFlip()]))
    for call in (lambda: recorder(image), lambda: recorder(image=image)):
        with pytest.raises(ImageError, match=message):
            call()
    with pytest.raises(ImageError, match="found NoneType"):
        recorder(mask=IMAGE)


def test_a_tensor_in_the_middle_is_refused() -> None:
    recorder = AlbumentationsRecorder(A.Compose([A.ToTensorV2(), A.RandomCrop(2, 20)]))
    with pytest.raises(ImageError, match=r"'RandomCrop' expected.*put ToTensorV2 last"):
        recorder(image=IMAGE)


def test_its_successor_is_refused() -> None:
    class Renewed:
        __version__ = "2.5.1"

        class BasicTransform:
            sample_parameters = None

    check_library(A)
    with pytest.raises(PipelineError, match=r"2\.0\.7 or 2\.0\.8, found version 2\.5\.1"):
        check_library(Renewed)  # type: ignore[arg-type]


class Own(A.ImageOnlyTransform):  # type: ignore[misc]
    """A user's own, which no encoder reads."""

    def apply(self, img: Any, **_params: Any) -> Any:
        return img


RETURNED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "no column": (
        lambda own, data: (own(**data), ()),
        "'Own' expected 1 column of 'blur', found 0",
    ),
    "two": (lambda own, data: (own(**data), (1.0, 0.3)), "1 column of 'blur', found 2"),
    "the data alone": (lambda own, data: own(**data), "return two things, .*found dict"),
    "swapped": (lambda data, own: (own(**data), (1.0,)), "failed, TypeError.*the callable first"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_a_registered_function_returns_the_data_and_its_columns(case: str) -> None:
    apply, message = RETURNED[case]
    pipeline = A.Compose([Own(p=1.0), A.Solarize(p=0.0)])
    recorder = AlbumentationsRecorder(pipeline, register={Own: (BlurEncoder(), apply)})
    with pytest.raises(PipelineError, match=message):
        recorder(IMAGE)


def test_a_reader_returns_as_many_columns_as_there_are() -> None:
    class OwnEncoder(RegressionEncoder):
        name, columns, identity = "own", ("strength",), (0.0,)
        albumentations = {"Own": lambda _: {"own": (0.1, 0.2)}}

    recorder = AlbumentationsRecorder(Own(p=1.0), encoders=[OwnEncoder((0.0, 0.5))])
    with pytest.raises(PipelineError, match="'Own' expected 1 column of 'own', found 2"):
        recorder(IMAGE)


def to_rgb(image: Any, **_options: Any) -> Any:
    return image


@pytest.mark.parametrize("transform", [A.ElasticTransform(), A.GridDistortion()])
def test_what_moves_pixels_is_to_be_taken_out(transform: Any) -> None:
    with pytest.raises(PipelineError, match=r"It may move pixels: .* Take it out, or register"):
        AlbumentationsRecorder(A.Compose([A.HorizontalFlip(), transform]))
    with pytest.raises(PipelineError, match=r"'GridDropout'\. Register how"):
        AlbumentationsRecorder(A.Compose([A.HorizontalFlip(), A.GridDropout()]))


def test_a_function_in_a_lambda_is_named_with_its_way_out() -> None:
    pipeline = A.Compose([A.HorizontalFlip(), A.Lambda(image=to_rgb)])
    with pytest.raises(PipelineError, match=r"found 'to_rgb'.*nothing at random, .*=\[to_rgb\]"):
        AlbumentationsRecorder(pipeline)
    recorder = AlbumentationsRecorder(pipeline, ignore=[to_rgb])
    assert list(recorder(IMAGE)[1]) == ["flip"]


class Holding:
    """Runs a pipeline that it holds."""

    def __init__(self) -> None:
        self.pipeline = A.Compose([A.Resize(8, 8), A.HorizontalFlip()])

    def __call__(self, **data: Any) -> Any:
        return self.pipeline(**data)


def test_a_whole_pipeline_is_not_ignored() -> None:
    for ignored in ({}, {"ignore": [Holding]}):
        with pytest.raises(PipelineError, match=r"'Holding'.*pass that pipeline to the"):
            AlbumentationsRecorder(Holding(), **ignored)
    plain = A.Compose([A.Lambda(image=to_rgb), A.Resize(8, 8)])
    assert AlbumentationsRecorder(plain, ignore=[to_rgb]).encoders == ()


def test_a_batch_of_images_without_records_is_refused() -> None:
    recorder = AlbumentationsRecorder(A.HorizontalFlip())
    augself = AugSelf(torch.nn.Flatten(), recorder, {"flip": 1.0})
    with pytest.raises(RecordError, match=r"no records, and AlbumentationsRecorder .*without view"):
        augself.views(torch.rand(4, 3, 8, 8))
