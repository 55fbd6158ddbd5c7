"""VISSL's transforms, recorded: the views are its own, and the records tell them."""

from __future__ import annotations

import importlib
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torchvision.transforms import functional

pytest.importorskip("vissl.config")  # examples/vissl is no package of it
from vissl_host import quiet
from vissl_options import MULTI, TWO

from augself_loss import PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, from_bits

pytestmark = pytest.mark.host

with quiet():
    adapter: Any = importlib.import_module("augself_loss.adapters.vissl")
    device: Any = importlib.import_module("augself_loss.adapters.vissl.device")
    vissl_transforms: Any = importlib.import_module("vissl.data.ssl_transforms")

BYOL = [
    {"name": "ImgReplicatePil", "num_times": 2},
    {"name": "RandomResizedCrop", "size": 16},
    {"name": "RandomHorizontalFlip"},
    {"name": "ImgPilRandomColorJitter", "strength": 0.5},
    {"name": "RandomGrayscale", "p": 0.2},
    {
        "name": "ImgPilMultiCropRandomApply",
        "transforms": [{"name": "ImgPilGaussianBlur", "p": 1.0}],
        "prob": [1.0, 0.1],
    },
    {
        "name": "ImgPilMultiCropRandomApply",
        "transforms": [{"name": "ImgPilRandomSolarize", "p": 1.0}],
        "prob": [0.0, 0.7],
    },
    {"name": "ToTensor"},
]
PHOTOMETRIC = [
    {"name": "RandomResizedCrop", "size": 24},  # before the copies: both views share it
    {"name": "ImgReplicatePil", "num_times": 3},
    {"name": "RandomCrop", "size": 16},
    {"name": "ImgPilRandomPhotometric", "p": 0.66},
    {"name": "ImgToTensor"},
]
TURNED = [
    {"name": "Resize", "size": [16, 16]},
    {"name": "ImgReplicatePil", "num_times": 2},
    {"name": "ImgRotatePil", "num_angles": 4},
    {"name": "ImgPilToRawTensor"},
]
PIPELINES = {
    "two": TWO,
    "multi-crop": MULTI,
    "byol": BYOL,
    "photometric": PHOTOMETRIC,
    "turned": TURNED,
}
HELD = {
    "two": ["crop", "flip", "color", "color_order", "grayscale", "blur"],
    "multi-crop": ["crop", "flip", "color", "color_order", "grayscale", "blur"],
    "byol": ["crop", "flip", "color", "color_order", "grayscale", "blur", "solarize"],
    "photometric": ["crop", "solarize", "posterize", "sharpness", "autocontrast"],
    "turned": ["rotation"],
}


def picture() -> Image.Image:
    noise = np.random.RandomState(5).randint(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((40, 32), Image.Resampling.BICUBIC)


def sample() -> dict[str, Any]:
    return {"data": [picture()], "label": [7], "data_valid": [1], "data_idx": [3]}


def seeded(pipeline: Any, number: int) -> tuple[dict[str, Any], tuple[float, float, float]]:
    """Run under a seed; return what comes next from every generator too."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    made = pipeline(sample())
    return made, (random.random(), float(np.random.rand()), float(torch.rand(1)))


def records(views: Any, made: dict[str, Any]) -> list[dict[str, Tensor]]:
    return [from_bits(row, views.recorder.layout) for row in made["augself"]]


@pytest.mark.parametrize("name", PIPELINES)
def test_views_are_bit_for_bit_vissls_own(name: str) -> None:
    plain = vissl_transforms.get_transform(PIPELINES[name])
    views = adapter.AugSelfViews(PIPELINES[name])
    assert set(HELD[name]) <= set(views.recorder.layout)
    for number in range(12):
        expected, after = seeded(plain, number)
        found, after_recording = seeded(views, number)
        assert after == after_recording, "nothing else was drawn"
        assert len(found["data"]) == len(expected["data"]) == len(found["augself"])
        assert all(map(torch.equal, found["data"], expected["data"]))
        others = {key: value for key, value in found.items() if key not in {"data", "augself"}}
        assert others == {key: value for key, value in expected.items() if key != "data"}


def replayed(record: dict[str, Tensor], size: int) -> Tensor:
    """Make a view again from nothing but its record."""
    image = picture()
    top, left, height, width = (
        round(float(v) * side) for v, side in zip(record["crop"], (32, 40, 32, 40), strict=True)
    )
    image = functional.resized_crop(image, top, left, height, width, [size, size])
    if record["flip"]:
        image = functional.hflip(image)
    adjust = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    if not record["color"].equal(torch.tensor([1.0, 1.0, 1.0, 0.0])):
        for step in record["color_order"].int().tolist():
            image = adjust[step](image, float(record["color"][step]))
    if record["grayscale"]:
        image = functional.to_grayscale(image, 3)
    if record["blur"]:
        image = image.filter(ImageFilter.GaussianBlur(float(record["blur"])))
    if "solarize" in record and record["solarize"] < 1:
        image = ImageOps.solarize(image, round(float(record["solarize"]) * 255))
    return functional.to_tensor(image)


@pytest.mark.parametrize("name", ["two", "multi-crop", "byol"])
def test_a_record_tells_its_own_view(name: str) -> None:
    views = adapter.AugSelfViews(PIPELINES[name])
    seen: set[tuple[str, int]] = set()
    for number in range(12):
        made, _ = seeded(views, number)
        for index, (view, record) in enumerate(
            zip(made["data"], records(views, made), strict=True)
        ):
            again = replayed(record, view.shape[-1])
            # A float32 factor may round a pixel otherwise than the float64 one that was drawn.
            assert (again - view).abs().mean() < 2e-3
            seen |= {(entry, index) for entry in ("flip", "grayscale", "blur") if record[entry]}
            seen |= {("solarize", index)} if record.get("solarize", torch.ones(1)) < 1 else set()
    assert {"flip", "grayscale", "blur"} <= {entry for entry, _ in seen}
    if name == "byol":
        assert ("solarize", 1) in seen
        assert ("solarize", 0) not in seen, "the first view is never solarized"


def test_photometric_values_are_those_applied() -> None:
    views = adapter.AugSelfViews(PHOTOMETRIC)
    found: dict[str, list[float]] = {"posterize": [], "sharpness": [], "solarize": []}
    for number in range(20):
        made, _ = seeded(views, number)
        for record in records(views, made):
            applied = bool(record["autocontrast"])
            for entry, values in found.items():
                if applied:
                    values.append(float(record[entry]))
                else:
                    assert float(record[entry]) == views.recorder.layout[entry].identity[0]
    assert set(found["posterize"]) <= {4.0, 5.0, 6.0, 7.0, 8.0}
    assert all(0.1 <= value <= 1.9 for value in found["sharpness"])
    assert all(0 <= value <= 1 for value in found["solarize"])
    assert all(len(set(values)) > 3 for values in found.values())


def test_a_crop_before_the_copies_is_in_every_views_box() -> None:
    made, _ = seeded(views := adapter.AugSelfViews(PHOTOMETRIC), 1)
    boxes = torch.stack([record["crop"] for record in records(views, made)])
    assert (boxes[:, 2:] == boxes[0, 2:]).all(), "16 of the same 24 pixels"
    assert len({tuple(box) for box in boxes[:, :2].tolist()}) == 3, "each its own place in them"
    alone = adapter.AugSelfViews([PHOTOMETRIC[0], PHOTOMETRIC[1]])
    made, _ = seeded(alone, 1)
    outer = records(alone, made)[0]["crop"]
    torch.testing.assert_close(boxes[:, 2:], (outer[2:] * 16 / 24).expand(3, 2))


def test_turns_are_the_labels_of_rotnet() -> None:
    views = adapter.AugSelfViews(TURNED)
    labels = set()
    for number in range(8):
        made, _ = seeded(views, number)
        *_, record = records(views, made)
        assert float(record["rotation"]) == made["label"][-1]
        labels.add(made["label"][-1])
        turned = torch.rot90(made["data"][-1], -int(record["rotation"]), (1, 2))
        upright = functional.pil_to_tensor(picture().resize((16, 16), Image.Resampling.BILINEAR))
        assert torch.equal(turned, upright.float())
    assert len(labels) > 2


def test_it_passes_to_workers() -> None:
    views = adapter.AugSelfViews(BYOL)
    copied = pickle.loads(pickle.dumps(views))
    first, second = seeded(views, 3)[0], seeded(copied, 3)[0]
    assert torch.equal(first["augself"], second["augself"])
    assert all(map(torch.equal, first["data"], second["data"]))


REFUSED = {
    "ImgPilToPatchesAndImage": {"name": "ImgPilToPatchesAndImage"},
    "RandAugment": {"name": "RandAugment"},
    "AutoAugment": {"name": "VisslAutoAugment"},
    "LightingTransform": {"name": "lighting"},
    "ImgRotatePil": {"name": "ImgRotatePil", "num_angles": 3},
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unknown_random_transform_is_refused_by_name(name: str) -> None:
    with pytest.raises(PipelineError, match=f"'{name}'.*AUGSELF.IGNORE"):
        adapter.AugSelfViews([TWO[0], REFUSED[name], *TWO[1:]])


def test_a_named_transform_is_ignored() -> None:
    rand_augment = {"name": "RandAugment"}
    views = adapter.AugSelfViews([TWO[0], rand_augment, *TWO[1:]], ["RandAugment"])
    plain = vissl_transforms.get_transform([TWO[0], rand_augment, *TWO[1:]])
    expected, found = seeded(plain, 1)[0], seeded(views, 1)[0]
    assert all(map(torch.equal, found["data"], expected["data"]))
    with pytest.raises(PipelineError, match="found 'RandAugmentation'"):
        adapter.AugSelfViews(TWO, ["RandAugmentation"])


def test_ignored_transforms_keep_their_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "orders.npy", [[0, 1, 2], [2, 0, 1]])
    transforms = [
        *TURNED,  # rotated: a label
        {"name": "ShuffleImgPatches", "perm_file": str(tmp_path / "orders.npy")},  # another
        {"name": "RandomHorizontalFlip"},
    ]
    plain = vissl_transforms.get_transform(transforms)
    views = adapter.AugSelfViews(transforms, ["ImgRotatePil", "ShuffleImgPatches"])
    assert list(views.recorder.layout) == ["flip"]
    for number in range(4):
        expected, found = seeded(plain, number)[0], seeded(views, number)[0]
        assert all(map(torch.equal, found["data"], expected["data"]))
        assert found["label"] == expected["label"]


def test_what_makes_no_two_views_is_refused() -> None:
    with pytest.raises(PipelineError, match="at least two views"):
        adapter.AugSelfViews(TWO[1:])
    uneven = {**BYOL[5], "prob": [1.0]}
    with pytest.raises(PipelineError, match="one probability per view, found 1 for 2"):
        adapter.AugSelfViews([*BYOL[:5], uneven, *BYOL[6:]])
    with pytest.raises(PipelineError, match="one image per sample, found 2"):
        adapter.AugSelfViews(TWO)({**sample(), "data": [picture(), picture()]})


IMAGES = torch.rand(2 * 5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
BATCHES = {
    "one tensor": {"data": [IMAGES]},
    "a list": {"data": [list(IMAGES.split(5))]},
    "query and key": {"data": [IMAGES[:5]], "data_momentum": [IMAGES[5:]]},
}


def flipping() -> MultiViewRecorder:
    flips = [{"name": "RandomHorizontalFlip", "p": 0.5}]
    return MultiViewRecorder(KorniaRecorder(device.pipeline_of(flips)), 2)


@pytest.mark.parametrize("form", BATCHES)
def test_on_the_device_a_record_belongs_to_its_view(form: str) -> None:
    batches: Any = iter([{**BATCHES[form], "label": [torch.arange(10)]}])
    torch.manual_seed(1)
    (batch,) = device.DeviceViews(batches, flipping())
    assert batch["label"][0].equal(torch.arange(10))
    (data,), keys = batch["data"], batch.get("data_momentum", [])
    views = torch.cat([*(data if isinstance(data, list) else [data]), *keys])
    flipped = (views != IMAGES).flatten(1).any(dim=1)
    assert views[flipped].equal(IMAGES[flipped].flip(-1))
    assert flipped.any()
    assert not flipped.all()
    recorded = batch["augself"][..., :-1].view(torch.float32)  # (B, N, 1)
    assert recorded.shape == (5, 2, 1)
    assert recorded[..., 0].T.flatten().equal(flipped.float())


def test_padded_views_are_not_augmented_on_the_device() -> None:
    with quiet():
        helper: Any = importlib.import_module("vissl.data.collators.collator_helper")
    padded = helper.MultiDimensionalTensor.from_tensors([IMAGES, IMAGES[..., :4, :4]])
    views = device.DeviceViews(iter([{"data": [padded]}]), flipping())
    with pytest.raises(PipelineError, match="found MultiDimensionalTensor"):
        next(views)
