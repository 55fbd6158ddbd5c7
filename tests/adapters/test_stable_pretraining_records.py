"""stable-pretraining's transforms note what they did, and views are made again from the notes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

pytest.importorskip("stable_pretraining")

from PIL import Image, ImageFilter
from stable_pretraining.data import transforms as T  # noqa: N812 - one letter for many names
from stable_pretraining_modules import Pictures, crops, pipeline, two_views
from stable_pretraining_term import recorded
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F  # noqa: N812

from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder
from augself_loss.adapters.stable_pretraining.recorder import views_of
from augself_loss.recording.multiview import from_bits

pytestmark = pytest.mark.host

PICTURE = Pictures()[0][0]
HEIGHT, WIDTH = 20, 24
Remake = Callable[[Any, Mapping[str, list[float]]], Any]


def made(
    recorder: StablePretrainingRecorder, seed: int, image: Any = PICTURE
) -> list[tuple[Any, dict[str, list[float]]]]:
    """Make the views of a picture, each with its record as numbers."""
    torch.manual_seed(seed)
    views = views_of(recorder({"image": image, "label": 1}))
    records = [from_bits(view["augself"], recorder.layout) for view in views]
    numbers = [{name: entry.tolist() for name, entry in record.items()} for record in records]
    return [(view["image"], record) for view, record in zip(views, numbers, strict=True)]


def same(a: Any, b: Any) -> bool:
    return torch.equal(F.pil_to_tensor(a), F.pil_to_tensor(b)) if not _tensor(a) else a.equal(b)


def _tensor(image: Any) -> bool:
    return isinstance(image, Tensor)


def _pixels(box: list[float]) -> list[int]:
    sides = (HEIGHT, WIDTH, HEIGHT, WIDTH)
    pixels = [fraction * side for fraction, side in zip(box, sides, strict=True)]
    assert pixels == pytest.approx([round(p) for p in pixels], abs=1e-3)
    return [round(p) for p in pixels]


def _jittered(image: Any, record: Mapping[str, list[float]]) -> Any:
    adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
    if record["color"] == [1, 1, 1, 0]:
        return image
    for i in map(int, record["color_order"]):
        image = adjust[i](image, record["color"][i])
    return image


def _where(name: str, remake: Callable[[Any], Any]) -> Remake:
    return lambda image, record: remake(image) if record[name] == [1] else image


def _perspective(image: Any, record: Mapping[str, list[float]]) -> Any:
    starts = [(0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT - 1), (0, HEIGHT - 1)]
    moves = record["perspective"]
    if not any(moves):
        return image
    ends = [
        (round(x + dx * WIDTH), round(y + dy * HEIGHT))
        for (x, y), dx, dy in zip(starts, moves[::2], moves[1::2], strict=True)
    ]
    return F.perspective(image, [list(p) for p in starts], [list(p) for p in ends])


def _affine(image: Any, record: Mapping[str, list[float]]) -> Any:
    angle, move_x, move_y, scale, _, shear_x, shear_y = record["affine"]
    moved = [round(move_x * WIDTH), round(move_y * HEIGHT)]
    return F.affine(image, -angle, moved, scale, [shear_x, shear_y])


def _erased(image: Any, record: Mapping[str, list[float]]) -> Any:
    top, left, height, width = _pixels(record["erasing"])
    return F.erase(image, top, left, height, width, torch.zeros(1))


CASES: Mapping[str, tuple[Any, Remake]] = {
    "resized crop": (
        T.RandomResizedCrop(16),
        lambda image, r: F.resized_crop(image, *_pixels(r["crop"]), [16, 16]),
    ),
    "padded crop": (
        T.RandomCrop(16, padding=(2, 4)),
        lambda image, r: F.crop(image, *_pixels(r["crop"])),
    ),
    "crop that has to pad": (
        T.RandomCrop((22, 16), pad_if_needed=True),
        lambda image, r: F.crop(image, *_pixels(r["crop"])),
    ),
    "centre crop": (T.CenterCrop(15), lambda image, r: F.crop(image, *_pixels(r["crop"]))),
    "flip": (T.RandomHorizontalFlip(), _where("flip", F.horizontal_flip)),
    "vertical flip": (T.RandomVerticalFlip(), _where("vertical_flip", F.vertical_flip)),
    "four flips": (
        T.Compose(*[T.RandomHorizontalFlip() for _ in range(4)]),
        _where("flip", F.horizontal_flip),
    ),
    "jitter": (T.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5), _jittered),
    "grayscale": (
        T.RandomGrayscale(p=0.5),
        _where("grayscale", lambda image: F.rgb_to_grayscale(image, 3)),
    ),
    "solarize": (
        T.RandomSolarize(threshold=100, p=0.5),
        lambda image, r: image if r["solarize"] == [1] else F.solarize(image, 100),
    ),
    "autocontrast": (T.RandomAutocontrast(), _where("autocontrast", F.autocontrast)),
    "equalize": (T.RandomEqualize(), _where("equalize", F.equalize)),
    "invert": (T.RandomInvert(), _where("invert", F.invert)),
    "posterize": (
        T.RandomPosterize(3),
        lambda image, r: image if r["posterize"] == [8] else F.posterize(image, 3),
    ),
    "sharpness": (
        T.RandomAdjustSharpness(1.7),
        lambda image, r: F.adjust_sharpness(image, r["sharpness"][0]),
    ),
    "sharpness of strength 0": (
        T.RandomAdjustSharpness(0.0),
        lambda image, r: F.adjust_sharpness(image, r["sharpness"][0]),
    ),
    "blur": (
        T.GaussianBlur(5, p=0.5),
        lambda image, r: F.gaussian_blur(image, [5, 5], r["blur"] * 2) if any(r["blur"]) else image,
    ),
    "Pillow's blur": (
        T.PILGaussianBlur([0.5, 2.0], p=0.5),
        lambda image, r: image.filter(ImageFilter.GaussianBlur(r["blur"][0])),
    ),
    "angle": (T.RandomRotation(30), lambda image, r: F.rotate(image, r["angle"][0])),
    "quarter turn": (
        T.RandomRotation((90, 90), expand=True),
        lambda image, r: F.rotate(image, 90 * r["rotation"][0], expand=True),
    ),
    "affine": (T.RandomAffine(20, (0.2, 0.2), (0.8, 1.2), (-9, 9, -9, 9)), _affine),
    "perspective": (T.RandomPerspective(p=0.5), _perspective),
    "several": (
        T.Compose(
            T.RGB(), T.RandomResizedCrop(16), T.RandomHorizontalFlip(), T.RandomHorizontalFlip()
        ),
        lambda image, r: _where("flip", F.horizontal_flip)(
            F.resized_crop(image, *_pixels(r["crop"]), [16, 16]), r
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_view_is_made_again_from_its_record(name: str) -> None:
    transform, remake = CASES[name]
    recorder = recorded(transform)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        alone = T.MultiViewTransform([transform, transform])({"image": PICTURE})["views"]
        for (view, record), plain in zip(made(recorder, seed), alone, strict=True):
            assert same(view, plain["image"]), "views are the transform's own"
            assert same(remake(PICTURE, record), view), "and the record says how they were made"
            seen.add(str(record))
    varies = name not in ("centre crop", "quarter turn")
    assert len(seen) > 1 or not varies


def test_erasing_on_tensors_and_where_no_box_fits() -> None:
    image = F.to_dtype(F.pil_to_tensor(PICTURE), torch.float32, scale=True)
    recorder = recorded(T.RandomErasing(p=0.7))
    for seed in range(8):
        for view, record in made(recorder, seed, image):
            assert same(_erased(image, record), view)
    never_fits = recorded(T.RandomErasing(p=1.0, scale=(0.9, 1.0), ratio=(9.0, 9.0)))
    torch.manual_seed(0)
    ((view, record), _) = made(never_fits, 0, image)
    assert same(view, image)
    assert record["erasing"] == [0, 0, 0, 0], "the note says: the whole image"


def test_a_flip_before_the_crop_mirrors_the_box() -> None:
    recorder = recorded(T.Compose(T.RandomHorizontalFlip(p=1.0), T.RandomResizedCrop(16)))
    for view, record in made(recorder, 3):
        top, left, height, width = _pixels(record["crop"])
        cropped = F.crop(PICTURE, top, left, height, width)
        assert same(F.resize(F.horizontal_flip(cropped), [16, 16]), view)


NESTED: Mapping[str, tuple[Any, str]] = {
    "torchvision's own on the sample": (v2.RandomHorizontalFlip(), "flip"),
    "wrapped": (T.WrapTorchTransform(v2.Compose([v2.RandomHorizontalFlip()])), "flip"),
    "applied at random": (v2.RandomApply([T.RandomHorizontalFlip(p=1.0)], p=0.5), "flip"),
    "routed": (
        T.RoutingTransform(
            lambda _: int(torch.rand(()) < 0.5), [T.RandomHorizontalFlip(p=1.0), T.RGB()]
        ),
        "flip",
    ),
    "controlled": (T.ControlledTransform(T.RandomHorizontalFlip()), "flip"),
}


@pytest.mark.parametrize("name", NESTED)
def test_transforms_in_others(name: str) -> None:
    transform, entry = NESTED[name]
    recorder, seen = recorded(transform), set()
    for seed in range(12):
        torch.manual_seed(seed)
        out = recorder({"image": PICTURE, "idx": seed})
        for view in views_of(out):
            flipped = view["augself"][:-1].view(torch.float32).tolist()
            expected = F.horizontal_flip(PICTURE) if flipped == [1] else PICTURE
            assert same(view["image"], expected)
            seen.add(tuple(flipped))
    assert list(recorder.layout) == [entry]
    assert seen == {(0.0,), (1.0,)}


def test_views_keep_the_host_s_notes_and_collate() -> None:
    recorder, plain = StablePretrainingRecorder(two_views()), two_views()
    batches = []
    for transform in (recorder, plain):
        torch.manual_seed(0)
        batches.append(default_collate([transform({"image": PICTURE, "label": 1})] * 3))
    for recorded_view, view in zip(batches[0]["views"], batches[1]["views"], strict=True):
        packed = recorded_view.pop("augself")
        assert packed.dtype == torch.int32
        assert packed.shape == (3, 1 + sum(field.width for field in recorder.layout.values()))
        assert recorded_view.keys() == view.keys()
        assert all(recorded_view[key].equal(view[key]) for key in view)


def test_views_of_two_pipelines_have_one_layout() -> None:
    recorder = StablePretrainingRecorder(two_views())
    assert list(recorder.layout)[:2] == ["crop", "flip"]
    (_, first), _ = made(recorder, 0)
    assert first["solarize"] == [1], "the identity, where only the other view's pipeline has it"
    united = {encoder.name: encoder for encoder in recorder.encoders}["crop"]
    assert united.ranges == recorded(pipeline()).encoders[0].ranges


def test_named_views_come_in_the_forward_functions_order() -> None:
    named = {"local_1": pipeline(size=8), "global_1": pipeline(), "global_2": pipeline()}
    out = StablePretrainingRecorder(T.MultiViewTransform(named))({"image": PICTURE})
    assert list(out) == list(named)
    assert [view["image"].shape[-1] for view in views_of(out)] == [16, 16, 8]
    assert StablePretrainingRecorder(crops()).views == 3


def test_steps_without_randomness_may_stand_around_the_views() -> None:
    flip = T.RandomHorizontalFlip(p=1.0)
    recorder = StablePretrainingRecorder(T.Compose(T.RGB(), T.MultiViewTransform([flip, flip])))
    assert all(record["flip"] == [1] for _, record in made(recorder, 0, Image.new("L", (8, 8))))


def test_recorder_passes_to_workers() -> None:
    recorder = StablePretrainingRecorder(two_views(v2.RandomAutocontrast()))
    again = pickle.loads(pickle.dumps(recorder))
    for (a, record), (b, other) in zip(made(recorder, 5), made(again, 5), strict=True):
        assert same(a, b)
        assert record == other
