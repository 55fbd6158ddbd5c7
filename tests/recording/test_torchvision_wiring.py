"""Transforms without randomness: recorded where views show them, refused where by chance."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder

APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
IMAGE = torch.randint(9, 201, (3, 24, 26), generator=torch.Generator().manual_seed(0)).byte()
Build = Callable[[ModuleType], Any]


def jitter(t: ModuleType) -> Any:
    return t.ColorJitter(0.4, 0.4, 0.4, 0.1)


def is_grey(view: Any) -> bool:
    pixels = view if isinstance(view, Tensor) else f1.pil_to_tensor(view)
    return bool((pixels == pixels[:1]).all())


GREY: dict[str, Build] = {
    "always": lambda t: t.Grayscale(3),
    "always, one channel": lambda t: t.Grayscale(),
    "applied": lambda t: t.RandomApply([t.Grayscale(3)], p=0.5),
    "applied, in modules": lambda t: t.RandomApply(nn.ModuleList([t.Grayscale(3)]), p=0.5),
    "chosen": lambda t: t.RandomChoice([t.RandomHorizontalFlip(), t.Grayscale(3)]),
    "in any order": lambda t: t.RandomOrder([t.RandomHorizontalFlip(), t.RandomGrayscale(0.5)]),
    "nested": lambda t: t.RandomApply([t.Compose([t.RandomChoice([t.Grayscale(3)])])], p=0.5),
    "twice": lambda t: t.Compose([t.RandomGrayscale(0.5), t.RandomApply([t.Grayscale(3)])]),
}


@APIS
@pytest.mark.parametrize("kind", ["PIL", "tensor"])
@pytest.mark.parametrize("name", GREY)
def test_grey_views_are_recorded_as_grey(api: ModuleType, kind: str, name: str) -> None:
    plain = api.Compose([jitter(api), GREY[name](api)])
    recorder = TorchvisionRecorder(plain)
    image = f1.to_pil_image(IMAGE) if kind == "PIL" else IMAGE
    seen = set()
    for seed in range(12):
        torch.manual_seed(seed)
        view, record = recorder(image)
        assert record["grayscale"] == float(is_grey(view))
        seen.add(is_grey(view))
    assert seen == ({True} if name.startswith("always") else {True, False})


@APIS
def test_hue_does_not_count_where_views_are_always_grey(api: ModuleType) -> None:
    recorder = TorchvisionRecorder(api.Compose([jitter(api), api.Grayscale(3)]))
    batch = [{n: e[None] for n, e in recorder(IMAGE)[1].items()} for _ in range(2)]
    color = next(e for e in recorder.encoders if e.name == "color").under("default")
    assert color.visible(batch[0], batch[1]).tolist() == [[1, 1, 0, 0]]  # type: ignore[union-attr]


def test_rgb_of_an_image_without_colour_is_grey() -> None:
    recorder = TorchvisionRecorder(v2.Compose([v2.RGB(), jitter(v2)]))
    assert recorder(IMAGE[:1])[1]["grayscale"] == 1
    assert recorder(f1.to_pil_image(IMAGE).convert("L"))[1]["grayscale"] == 1
    assert recorder(IMAGE)[1]["grayscale"] == 0


FIXED: dict[str, Build] = {
    "Normalize": lambda t: t.Normalize([0.5], [0.2]),
    "Resize": lambda t: t.Resize(8),
    "LinearTransformation": lambda t: t.LinearTransformation(torch.eye(3), torch.zeros(3)),
    "ConvertImageDtype": lambda t: t.ConvertImageDtype(torch.float32),
    "ToTensor": lambda t: t.ToTensor(),
    "ToPILImage": lambda t: t.ToPILImage(),
}
AT_RANDOM: dict[str, Callable[[ModuleType, Any], Any]] = {
    "RandomApply": lambda t, step: t.RandomApply([step], p=0.5),
    "RandomChoice": lambda t, step: t.RandomChoice([t.RandomHorizontalFlip(), step]),
    "RandomOrder": lambda t, step: t.RandomOrder([t.RandomHorizontalFlip(), step]),
}


@APIS
@pytest.mark.filterwarnings("ignore:.*ToTensor.*deprecated:UserWarning")
@pytest.mark.parametrize("container", AT_RANDOM)
@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_transform_at_random_is_refused(api: ModuleType, name: str, container: str) -> None:
    step = FIXED[name](api)
    inside = nn.Sequential(step) if isinstance(step, nn.Module) else api.Compose([step, step])
    for held in (step, api.Compose([step]), inside):
        pipeline = api.Compose([jitter(api), AT_RANDOM[container](api, held)])
        with pytest.raises(
            PipelineError,
            match=f"'{name}' to be applied always, found it applied at random by '{container}'",
        ):
            TorchvisionRecorder(pipeline)
        TorchvisionRecorder(pipeline, ignore=[step])
    TorchvisionRecorder(api.Compose([jitter(api), step, api.RandomChoice([step])]))


@pytest.mark.parametrize("step", [v2.Identity(), nn.Identity(), v2.ToImage(), v2.ToPureTensor()])
def test_what_changes_no_pixel_may_be_applied_at_random(step: Any) -> None:
    TorchvisionRecorder(v2.RandomApply([v2.RandomHorizontalFlip(), step]))


def test_v2_dtype_conversions_at_random_are_refused() -> None:
    with pytest.raises(
        PipelineError, match=r"'ToDtype' to be applied always, found it applied at random"
    ):
        TorchvisionRecorder(v2.RandomApply([v2.ToDtype(torch.float32)]))


@APIS
def test_posterization_to_eight_bits_changes_deeper_images(api: ModuleType) -> None:
    recorder = TorchvisionRecorder(api.Compose([api.RandomPosterize(8, p=1.0), jitter(api)]))
    assert "posterize" not in recorder.layout
    recorder(IMAGE)
    if api is v2:
        for image in (IMAGE / 255, IMAGE.short() * 128):
            with pytest.raises(PipelineError, match="fewer than 8 bits for images of more than 8"):
                recorder(image)
