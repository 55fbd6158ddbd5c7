"""What a transform is given: dtypes, channels, and what is not one image."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.errors import ImageError, PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.images import seen

APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
RAMP = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, 16, 16).contiguous()
PHOTO = torch.randint(9, 201, (3, 24, 26), generator=torch.Generator().manual_seed(0)).byte()

DTYPES: dict[str, tuple[Tensor, float, float]] = {
    # image, its white, a threshold that torchvision may be given for it
    "uint8": (RAMP, 255, 128),
    "int16": (RAMP.short() * 128, 32767, 16384),
    "int32": (RAMP.int() * 2**23, 2**31 - 1, 2**30),
    "int64": (RAMP.long() * 2**55, 2**63 - 1, 2**62),
    "float32": (RAMP / 255, 1, 0.5),
    "float64": (RAMP.double() / 255, 1, 0.5),
}


def lowest_inverted(view: Tensor, image: Tensor, white: float) -> float:
    """Find the darkest value that was inverted, as a fraction of white."""
    before, after = image.double(), view.double()
    inverted = (after - (white - before)).abs() <= white * 1e-6
    return float(before[inverted].min()) / white


@APIS
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("low", [False, True])
def test_a_solarize_threshold_is_a_fraction_of_the_dtype_s_white(
    api: ModuleType, name: str, low: bool
) -> None:
    image, white, threshold = DTYPES[name]
    threshold = min(1.0, threshold) / 2 if low else threshold
    recorder = TorchvisionRecorder(api.RandomSolarize(threshold, p=1.0))
    view, record = recorder(image)
    step = 1 / 255  # of the ramp
    found = lowest_inverted(view, image, white)
    assert float(record["solarize"]) == pytest.approx(threshold / white)
    assert found - step <= float(record["solarize"]) <= found + 1e-6
    for encoder in recorder.encoders:
        encoder.check(default_collate([record]))


@APIS
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("threshold", [0, 0.5, 1, 128, 256])
def test_a_solarize_threshold_of_pil_images_counts_to_255(
    api: ModuleType, mode: str, threshold: float
) -> None:
    image = f1.to_pil_image(RAMP).convert(mode)
    recorder = TorchvisionRecorder(api.RandomSolarize(threshold, p=1.0), types=["solarize"])
    view, record = recorder(image)
    assert float(record["solarize"]) == pytest.approx(min(1.0, threshold / 255))
    changed = np.asarray(view) != np.asarray(image)
    assert changed.mean() == pytest.approx(np.mean(np.arange(256) >= threshold))
    for encoder in recorder.encoders:
        encoder.check(default_collate([record]))


@APIS
def test_a_threshold_of_256_acts_on_deeper_images(api: ModuleType) -> None:
    recorder = TorchvisionRecorder(api.RandomSolarize(256, p=1.0))
    recorder(f1.to_pil_image(RAMP))
    with pytest.raises(PipelineError, match="found that it set 'solarize'"):
        recorder(RAMP.short() * 128)


@pytest.mark.parametrize(
    ("image", "white", "channels"),
    [
        (Image.new("L", (5, 4)), 255, 1), (Image.new("LA", (5, 4)), 255, 1),
        (Image.new("1", (5, 4)), 255, 1), (Image.new("F", (5, 4)), 1, 1),
        (Image.new("I;16", (5, 4)), 65535, 1), (Image.new("P", (5, 4)), 255, 3),
        (Image.new("RGB", (5, 4)), 255, 3), (Image.new("LAB", (5, 4)), 255, 3),
        (Image.new("RGBA", (5, 4)), 255, 4), (torch.zeros(1, 4, 5, dtype=torch.uint16), 65535, 1),
        (torch.zeros(3, 4, 5, dtype=torch.bfloat16), 1, 3),
        (tv_tensors.Image(torch.zeros(3, 4, 5, dtype=torch.int8)), 127, 3),
    ],
)  # fmt: skip
def test_what_an_encoder_may_ask_of_an_image(image: Any, white: float, channels: int) -> None:
    assert seen(image, "Resize") == ((4, 5), white, channels)


@APIS
@pytest.mark.parametrize("kind", ["L", "1 channel", "1 float channel"])
def test_hue_and_saturation_of_images_without_colour_do_not_count(
    api: ModuleType, kind: str
) -> None:
    image: Any = {
        "L": f1.to_pil_image(PHOTO).convert("L"),
        "1 channel": PHOTO[:1],
        "1 float channel": PHOTO[:1] / 255,
    }[kind]
    only_colour = TorchvisionRecorder(api.ColorJitter(saturation=0.8, hue=0.4))
    jitter = TorchvisionRecorder(api.ColorJitter(0.4, 0.4, 0.4, 0.1))
    for _ in range(4):
        view, record = only_colour(image)
        assert np.array_equal(np.asarray(view), np.asarray(image))
        assert record["color"].tolist() == [1, 1, 1, 0]
        brightness, contrast, *colour = jitter(image)[1]["color"].tolist()
        assert brightness != 1
        assert contrast != 1
        assert colour == [1, 0]
    assert jitter(PHOTO)[1]["color"][3] != 0


@APIS
def test_one_channel_has_no_colour_to_lose(api: ModuleType) -> None:
    recorder = TorchvisionRecorder(api.RandomGrayscale(p=1.0))
    assert recorder(PHOTO[:1])[1]["grayscale"] == 0
    assert recorder(PHOTO)[1]["grayscale"] == 1


JITTER = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.4)])


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (1, 3, 8, 8), (2, 4, 3, 8, 8)])
@APIS
def test_a_batch_is_refused_at_every_call(api: ModuleType, shape: tuple[int, ...]) -> None:
    recorder = TorchvisionRecorder(api.RandomHorizontalFlip())
    recorder(PHOTO)
    for given in (torch.rand(shape), torch.zeros(shape).byte()):
        for _ in range(2):
            with pytest.raises(
                ImageError, match=r"would augment the whole batch alike.*KorniaRecorder"
            ):
                recorder(given)
    with pytest.raises(ImageError, match="augment the whole batch alike"):
        MultiViewRecorder(recorder)(torch.rand(shape))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (torch.rand(8, 8), r"\(C, H, W\), found \(8, 8\)"),
        (torch.rand(3, 0, 8), r"found \(3, 0, 8\)"),
        ([PHOTO, PHOTO], "found a list of 2: torchvision would augment all of them alike"),
        ((f1.to_pil_image(PHOTO),) * 3, "found a tuple of 3"),
        (tv_tensors.Video(torch.rand(4, 3, 8, 8)), "would augment the whole batch alike"),
        (tv_tensors.Mask(PHOTO), r"found a tv_tensors\.Mask"),
        ({"one": f1.to_pil_image(PHOTO), "two": f1.to_pil_image(PHOTO)}, "a sample with 2"),
        ({"image": torch.rand(4, 3, 8, 8)}, "would augment the whole batch alike"),
    ],
)
def test_what_is_not_one_image_is_refused(given: Any, found: str) -> None:
    with pytest.raises(ImageError, match=found):
        TorchvisionRecorder(JITTER)(given)


def test_the_cure_draws_for_each() -> None:
    import kornia.augmentation as K  # noqa: N812, PLC0415

    recorder = KorniaRecorder(K.RandomHorizontalFlip())
    assert len(recorder(torch.rand(32, 3, 8, 8))[1]["flip"].unique()) == 2
