"""RecordedMultiView: the views are MMPretrain's own, and the records say what was done to them."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mmpretrain.registry")  # examples/mmpretrain is no package of it

import cv2
import mmcv
import torch
from mmcv.transforms import RandomFlip
from mmpretrain_configs import SIZE, TRANSFORMS, BaseTransform, view
from PIL import Image, ImageFilter
from torchvision.transforms import functional

from augself_loss import BlurEncoder
from augself_loss.adapters.mmpretrain import MMRecorder, RecordedMultiView
from augself_loss.errors import PipelineError

pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:Only use 'alpha' for pillow backend"),
]

PICTURE = cv2.resize(np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8), (48, 40))
SEEDS = range(12)
GRAY = {"keep_channels": True, "channel_weights": (0.114, 0.587, 0.2989)}


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def results() -> dict[str, Any]:
    return {"img": PICTURE.copy(), "img_shape": PICTURE.shape[:2]}


def recorder(*steps: dict[str, Any], **options: Any) -> MMRecorder:
    return MMRecorder([TRANSFORMS.build(step) for step in steps], **options)


def both(steps: list[dict[str, Any]], number: int) -> tuple[Any, Any, dict[str, list[float]]]:
    """Run a pipeline alone and recorded under one seed: view, recorded view, record."""
    alone = [TRANSFORMS.build(step) for step in steps]
    seed(number)
    plain = results()
    for transform in alone:
        plain = transform(plain)
    recorded = MMRecorder([TRANSFORMS.build(step) for step in steps])
    seed(number)
    image, record = recorded(results())
    return plain["img"], image, {name: entry.tolist() for name, entry in record.items()}


def cut(box: list[float], *, flip: float = 0.0, vertical: float = 0.0) -> Any:
    """Cut a recorded box out of the source, black where it leaves it, and flip it."""
    height, width = PICTURE.shape[:2]
    sides = (height, width, height, width)
    top, left, h, w = (round(side * part) for side, part in zip(sides, box, strict=True))
    framed = np.pad(PICTURE, ((50, 50), (50, 50), (0, 0)))
    image = framed[top + 50 : top + 50 + h, left + 50 : left + 50 + w]
    image = image[:, ::-1] if flip else image
    return image[::-1] if vertical else image


def jittered(record: dict[str, list[float]]) -> Any:
    names = ("brightness", "contrast", "color", "hue")
    image = PICTURE
    for index in [] if record["color"] == [1, 1, 1, 0] else record["color_order"]:
        value = record["color"][int(index)]
        image = getattr(mmcv, f"adjust_{names[int(index)]}")(image, value, backend="pillow")
    return image


JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}
MAGNITUDE = {"magnitude_std": "inf", "prob": 0.7}
EXACT: dict[str, tuple[list[dict[str, Any]], Callable[[Any], Any]]] = {
    "crop": (
        [{"type": "RandomCrop", "crop_size": (20, 28), "padding": (3, 5, 7, 9)}],
        lambda r: cut(r["crop"]),
    ),
    "crop of a small image": (
        [{"type": "RandomCrop", "crop_size": 60, "pad_if_needed": True}],
        lambda r: cut(r["crop"]),
    ),
    "resized crop": (
        [{"type": "RandomResizedCrop", "scale": SIZE, "backend": "pillow"}],
        lambda r: mmcv.imresize(cut(r["crop"]), (SIZE, SIZE), backend="pillow"),
    ),
    "crop, then flip": (
        [
            {"type": "RandomCrop", "crop_size": 20},
            {"type": "RandomFlip", "prob": [0.4, 0.4], "direction": ["horizontal", "diagonal"]},
        ],
        lambda r: cut(r["crop"], flip=r["flip"][0], vertical=r["vertical_flip"][0]),
    ),
    "flip, then crop twice": (
        [
            {"type": "RandomFlip", "prob": 0.8, "direction": ["horizontal", "vertical"]},
            {"type": "RandomCrop", "crop_size": 30},
            {"type": "CenterCrop", "crop_size": (20, 13)},
        ],
        lambda r: cut(r["crop"], flip=r["flip"][0], vertical=r["vertical_flip"][0]),
    ),
    "jitter": (
        [{"type": "RandomApply", "transforms": [{"type": "ColorJitter", **JITTER}], "prob": 0.7}],
        jittered,
    ),
    "factors": (
        [{"type": "Brightness", "magnitude_range": (0, 0.9), **MAGNITUDE}],
        lambda r: mmcv.adjust_brightness(PICTURE, r["color"][0]),
    ),
    "solarize": (
        [{"type": "Solarize", "magnitude_range": (256, 0), **MAGNITUDE}],
        lambda r: mmcv.solarize(PICTURE, 255 * r["solarize"][0]) if r["solarize"][0] < 1
        else PICTURE,
    ),
    "posterize": (
        [{"type": "Posterize", "magnitude_range": (4, 1), **MAGNITUDE}],
        lambda r: mmcv.posterize(PICTURE, int(r["posterize"][0])),
    ),
    "sharpness": (
        [{"type": "Sharpness", "magnitude": 0.5, "prob": 0.7}],
        lambda r: mmcv.adjust_sharpness(PICTURE, r["sharpness"][0]),
    ),
    "equalize": (
        [{"type": "Equalize"}],
        lambda r: mmcv.imequalize(PICTURE) if r["equalize"][0] else PICTURE,
    ),
    "invert": ([{"type": "Invert"}], lambda r: 255 - PICTURE if r["invert"][0] else PICTURE),
    "autocontrast": (
        [{"type": "AutoContrast"}],
        lambda r: mmcv.auto_contrast(PICTURE) if r["autocontrast"][0] else PICTURE,
    ),
    "one of two": (
        [{"type": "RandomChoice", "transforms": [[{"type": "Invert"}], [{"type": "Equalize"}]]}],
        lambda r: 255 - PICTURE if r["invert"][0]
        else mmcv.imequalize(PICTURE) if r["equalize"][0] else PICTURE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_a_view_can_be_made_again_from_its_record(name: str) -> None:
    steps, again = EXACT[name]
    changed = 0
    for number in SEEDS:
        alone, image, record = both(steps, number)
        assert np.array_equal(alone, image), "the recorder changes nothing"
        expected = again(record)
        # Records are float32, parameters float64: a rounding may fall on the other side.
        assert np.abs(image.astype(int) - expected.astype(int)).max() <= (name != "crop")
        changed += not (image.shape == PICTURE.shape and np.array_equal(image, PICTURE))
    assert changed > len(SEEDS) // 4


def test_blur_gray_and_erasing_are_told() -> None:
    blur = {"type": "GaussianBlur", "magnitude_range": (0.1, 2.0), "magnitude_std": "inf"}
    for number in SEEDS:
        alone, image, record = both([blur], number)
        assert np.array_equal(alone, image)
        sigma = record["blur"][0]
        again = Image.fromarray(PICTURE).filter(ImageFilter.GaussianBlur(sigma))
        assert np.abs(np.asarray(again).astype(int) - image).max() <= (sigma > 0)
        alone, image, record = both([{"type": "RandomGrayscale", "prob": 0.5, **GRAY}], number)
        assert np.array_equal(alone, image)
        assert (np.ptp(image, axis=-1).max() == 0) == bool(record["grayscale"][0])
        alone, image, record = both([{"type": "RandomErasing"}], number)
        assert np.array_equal(alone, image)
        y, x = np.nonzero((image != PICTURE).any(axis=-1))
        top, left, height, width = record["erasing"]
        box = (40 * top, 48 * left, 40 * (top + height) - 1, 48 * (left + width) - 1)
        found = (y.min(), x.min(), y.max(), x.max()) if len(y) else (0, 0, -1, -1)
        assert found == pytest.approx(box, abs=1e-3)


def test_hue_and_angle_turn_the_way_that_records_say() -> None:
    """MM's images are BGR, and its angles clockwise: torchvision says what is meant."""
    for backend in ("pillow", "cv2"):
        jitter = {"type": "ColorJitter", "hue": (0.1, 0.2), "backend": backend}
        _, image, record = both([jitter], 0)
        rgb = Image.fromarray(PICTURE[..., ::-1])
        ways = [functional.adjust_hue(rgb, sign * record["color"][3]) for sign in (1, -1)]
        distances = [np.abs(np.asarray(way)[..., ::-1].astype(int) - image).mean() for way in ways]
        assert distances[0] < 5 < distances[1]
    turned = {"type": "Rotate", "angle": 20.0, "prob": 1.0, "random_negative_prob": 0.0}
    _, image, record = both([turned], 0)
    picture = torch.from_numpy(PICTURE).permute(2, 0, 1)
    ways = [functional.rotate(picture, sign * record["angle"][0]) for sign in (1, -1)]
    distances = [np.abs(way.permute(1, 2, 0).numpy().astype(int) - image).mean() for way in ways]
    assert record["angle"] == [-20.0]
    assert distances[0] < distances[1] / 2


def test_ranges_are_the_configs() -> None:
    encoders = {encoder.name: encoder for encoder in recorder(*view()).encoders}
    assert encoders["color"].ranges == ((pytest.approx(0.2), 1.8),) * 3 + ((-0.2, 0.2),)
    assert encoders["blur"].ranges == ((0.1, 2.0),)
    assert encoders["solarize"].ranges == ((128 / 255,) * 2,)
    signed = recorder({"type": "Contrast", "magnitude_range": (0.1, 0.9), "magnitude_level": 5,
                       "magnitude_std": "inf"})  # fmt: skip
    assert signed.encoders[0].ranges == (None, (0.5, 1.5), None, None)
    fixed = recorder({"type": "GaussianBlur", "radius": 1.5})
    assert fixed.encoders[0].ranges == ((1.5, 1.5),)
    clipped = {"magnitude_range": (0.1, 2.0), "magnitude_std": 1.0, "magnitude_level": 3}
    assert recorder({"type": "GaussianBlur", **clipped}).encoders[0].ranges == ((0.1, 2.0),)


def test_what_never_acts_is_not_recorded() -> None:
    never = recorder(
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "Solarize", "thr": 128, "prob": 0.0},
        {"type": "ColorJitter"},
        {"type": "RandomGrayscale", "prob": 0.0},
        {"type": "RandomErasing", "erase_prob": 0.0},
        {"type": "RandomFlip", "prob": [0.0, 0.0], "direction": ["vertical", "diagonal"]},
        {"type": "Brightness", "magnitude": 0.0},
    )
    assert [encoder.name for encoder in never.encoders] == ["flip"]


def multi(**options: Any) -> RecordedMultiView:
    lines = [view(prob=1.0), view(prob=0.1)[:-1]]
    return RecordedMultiView(lines, num_views=[1, 2], **options)


def test_all_views_are_multiviews_and_pass_to_workers() -> None:
    lines = [view(prob=1.0), view(prob=0.1)[:-1]]
    plain = TRANSFORMS.build({"type": "MultiView", "num_views": [1, 2], "transforms": lines})
    recorded = multi()
    for candidate in (recorded, pickle.loads(pickle.dumps(recorded))):
        for number in range(3):
            seed(number)
            expected = plain(results())["img"]
            seed(number)
            got = candidate(results())
            assert len(got["img"]) == 3
            assert all(np.array_equal(a, b) for a, b in zip(expected, got["img"], strict=True))
            assert got["aug_params"].dtype == np.int32
    assert repr(recorded).startswith("RecordedMultiView(")


def test_a_type_of_only_one_view_is_the_identity_in_the_others() -> None:
    recorded = multi()
    packed = torch.from_numpy(recorded(results())["aug_params"][:, :-1].copy())
    at = list(recorded.recorder.layout)
    widths = [field.width for field in recorded.recorder.layout.values()]
    column = sum(widths[: at.index("solarize")])
    assert packed.view(torch.float32)[1:, column].tolist() == [1.0, 1.0]


class RandomShade(BaseTransform):  # type: ignore[misc]
    """A user's own: blurs at random, by its own means."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results["sigma"] = float(np.random.uniform(1, 3))
        results["img"] = cv2.GaussianBlur(results["img"], (0, 0), results["sigma"])
        return results


class OwnFlip(RandomFlip):  # type: ignore[misc]
    """A user's own: it may draw anything."""


def shade(transform: Any, results: dict[str, Any]) -> tuple[dict[str, Any], tuple[float, ...]]:
    done = transform(results)
    return done, (done["sigma"],)


def test_a_transform_of_the_users_own_is_registered_or_ignored() -> None:
    lines = [[RandomShade()]]
    own = RecordedMultiView(lines, 2, register={"RandomShade": (BlurEncoder((1.0, 3.0)), shade)})
    done = own(results())
    sigmas = done["aug_params"][:, 0].view(np.float32)
    assert all(1 <= sigma <= 3 for sigma in sigmas)
    assert own.recorder.encoders[0].ranges == ((1.0, 3.0),)
    pickle.loads(pickle.dumps(own))(results())
    flip = {"type": "RandomFlip", "prob": 0.5}
    ignored = RecordedMultiView([[*lines[0], flip]], 2, ignore=["RandomShade"])
    assert list(ignored.recorder.layout) == ["flip"]


@pytest.mark.parametrize(
    ("ignore", "found"),
    [("RandomShade", "'RandomShade' alone"), ([RandomShade], "'RandomShade' itself")],
)
def test_ignore_takes_a_list_of_names(ignore: Any, found: str) -> None:
    """A name alone was read letter by letter, and a class was passed over."""
    says = rf"list of names of classes, found {found}\. Write ignore=\['RandomShade'\]"
    with pytest.raises(PipelineError, match=says):
        RecordedMultiView([[RandomShade()]], 2, ignore=ignore)
    with pytest.raises(PipelineError, match=says):
        MMRecorder([RandomShade()], ignore=ignore)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: RecordedMultiView([[RandomShade()]], 2), "RandomShade.*register.*ignore"),
        (lambda: MMRecorder([OwnFlip(prob=0.5)]), "it can record, found 'OwnFlip'"),
        (lambda: multi(register={"X": "no.such.name"}), "register expected .*no.such.name"),
        (lambda: multi(register={"X": (1, shade)}), "register expected"),
        (lambda: multi(types=["fog"]), "types expected names from"),
        (lambda: RecordedMultiView([view()], 1), "at least two views"),
        (
            lambda: RecordedMultiView([[{"type": "Resize", "scale": (8, 8)}]], 2),
            "random augmentations, found none",
        ),
        (lambda: recorder({"type": "CenterCrop", "crop_size": 90, "auto_pad": True}), "auto_pad"),
        (lambda: recorder({"type": "Rotate", "angle": 9.0, "scale": 2.0}), "scale=1"),
        (
            lambda: recorder({"type": "AutoAugment", "policies": "imagenet"}),
            "'AutoAugment'. It may move pixels",
        ),
        (lambda: recorder({"type": "Lighting", "eigval": [1.0], "eigvec": [[1.0]]}), "'Lighting'"),
        (lambda: recorder({"type": "Pad", "size": (90, 90)}), "'Pad'. It may"),
        (lambda: recorder(*view(), view()[4]), "'GaussianBlur' and 'GaussianBlur'"),
    ],
)
def test_what_cannot_be_recorded_is_refused_by_name(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        build()


def test_a_registered_pair_is_found_by_its_dotted_name() -> None:
    own = RecordedMultiView(
        [[RandomShade()]], 2, register={"RandomShade": "mmpretrain_host.MYSTERY"}
    )
    assert list(own.recorder.layout) == ["flip"]
