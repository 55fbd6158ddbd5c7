"""The torchvision recorder as a whole: same views, right records, and what it refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.errors import ImageError, PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder

Build: TypeAlias = Callable[[ModuleType], Any]
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])


def image(kind: str = "uint8", size: tuple[int, int] = (44, 56)) -> Any:
    """Make a random image: PIL (RGB or L), uint8 or float tensor."""
    pixels = torch.randint(9, 201, (3, *size), generator=torch.Generator().manual_seed(0)).byte()
    if kind in ("RGB", "L"):
        return f1.to_pil_image(pixels).convert(kind)
    return pixels.float() / 255 if kind == "float" else pixels


def seeded(seed: int, run: Callable[[Any], Any], given: Any) -> Any:
    """Call ``run(given)`` under one seed of all three sources of randomness."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    return run(given)


def same(view: Any, other: Any) -> bool:
    """Whether two views agree bit for bit."""
    if isinstance(view, Tensor):
        return type(view) is type(other) and view.dtype == other.dtype and torch.equal(view, other)
    return bool(view.mode == other.mode and view.tobytes() == other.tobytes())


def jitter(t: ModuleType, strength: float = 0.4) -> Any:
    return t.ColorJitter(strength, strength, strength, strength / 4)


def simclr(t: ModuleType) -> list[Any]:
    return [
        t.RandomResizedCrop(32, scale=(0.08, 1.0)), t.RandomHorizontalFlip(),
        t.RandomApply([jitter(t, 0.8)], p=0.8), t.RandomGrayscale(0.2),
        t.RandomApply(nn.ModuleList([t.GaussianBlur(5, (0.1, 2.0))]), p=0.5),
    ]  # fmt: skip


def byol(t: ModuleType, blur: float, solarize: float) -> list[Any]:
    return [
        t.RandomResizedCrop(32), t.RandomHorizontalFlip(), t.RandomApply([jitter(t)], p=0.8),
        t.RandomGrayscale(0.2), t.RandomApply([t.GaussianBlur(5)], p=blur),
        t.RandomSolarize(0, p=solarize),
    ]  # fmt: skip


def everything(t: ModuleType) -> list[Any]:
    return [
        t.RandomCrop(40, padding=4), t.RandomVerticalFlip(), t.RandomAutocontrast(),
        t.RandomInvert(), t.RandomAdjustSharpness(2.0), t.RandomPerspective(),
        t.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10), t.RandomRotation(30),
    ]  # fmt: skip


PIPELINES: dict[str, Build] = {
    "simclr": lambda t: t.Compose(simclr(t)),
    "byol one": lambda t: t.Compose(byol(t, 1.0, 0.0)),
    "byol two": lambda t: t.Compose(byol(t, 0.1, 0.2)),
    "moco v2": lambda t: t.Compose(
        [t.RandomResizedCrop(32, scale=(0.2, 1.0)), *simclr(t)[2:], t.RandomHorizontalFlip()]
    ),
    "dino local": lambda t: t.Compose(
        [t.RandomResizedCrop(16, scale=(0.05, 0.4), interpolation=3), *byol(t, 0.5, 0.2)[1:]]
    ),
    "everything": lambda t: t.Compose(everything(t)),
    "any order": lambda t: t.RandomOrder(simclr(t)),
    "one of": lambda t: t.RandomChoice([*simclr(t), *everything(t)]),
    "nested": lambda t: t.Compose(
        [t.Compose(simclr(t)[:2]), t.RandomApply([t.Compose(simclr(t)[2:])])]
    ),
    "sequential": lambda t: nn.Sequential(*simclr(t)),
    "single": lambda t: t.RandomResizedCrop(20),
}  # fmt: skip


@APIS
@pytest.mark.parametrize("kind", ["RGB", "L", "uint8", "float"])
@pytest.mark.parametrize("name", PIPELINES)
def test_the_view_is_bit_for_bit_that_of_the_pipeline(
    api: ModuleType, kind: str, name: str
) -> None:
    plain = PIPELINES[name](api)
    before = repr(plain)
    recorder = TorchvisionRecorder(plain)
    entries = set()
    for seed in range(5):
        view, record = seeded(seed, recorder, image(kind))
        assert same(view, seeded(seed, plain, image(kind)))
        assert {n: (f.width,) for n, f in recorder.layout.items()} == {
            n: tuple(column.shape) for n, column in record.items()
        }
        assert all(column.dtype == torch.float32 for column in record.values())
        entries.add(tuple(torch.cat(list(record.values())).tolist()))
    assert len(entries) > 1
    assert repr(plain) == before
    modules = plain.modules() if isinstance(plain, nn.Module) else plain.transforms
    assert not any(hasattr(module, "recorded") for module in modules)


@APIS
@pytest.mark.parametrize("kind", ["RGB", "uint8"])
def test_uint8_operations_and_tensor_endings_stay_the_same(api: ModuleType, kind: str) -> None:
    ending = [api.ToImage(), api.ToDtype(torch.float32, scale=True)] if api is v2 else []
    if api is v1:
        ending = [api.ToTensor()] if kind == "RGB" else [api.ConvertImageDtype(torch.float32)]
    plain = api.Compose(
        [api.Resize((40, 44)), api.RandomEqualize(), api.RandomPosterize(3), *byol(api, 0.5, 0.5),
         *ending, api.Normalize([0.5], [0.2]), api.RandomErasing()]
    )  # fmt: skip
    recorder = TorchvisionRecorder(plain)
    for seed in range(5):
        assert same(seeded(seed, recorder, image(kind))[0], seeded(seed, plain, image(kind)))


def test_a_tv_tensor_stays_one() -> None:
    plain = v2.Compose(simclr(v2))
    view, record = seeded(2, TorchvisionRecorder(plain), tv_tensors.Image(image()))
    assert isinstance(view, tv_tensors.Image)
    assert same(view, seeded(2, plain, tv_tensors.Image(image())))
    assert all(type(column) is Tensor for column in record.values())


WITH_P: dict[str, tuple[Callable[[ModuleType, float], Any], list[float], list[float] | None]] = {
    "flip": (lambda t, p: t.RandomHorizontalFlip(p), [0], [1]),
    "vertical_flip": (lambda t, p: t.RandomVerticalFlip(p), [0], [1]),
    "grayscale": (lambda t, p: t.RandomGrayscale(p), [0], [1]),
    "invert": (lambda t, p: t.RandomInvert(p), [0], [1]),
    "equalize": (lambda t, p: t.RandomEqualize(p), [0], [1]),
    "autocontrast": (lambda t, p: t.RandomAutocontrast(p), [0], [1]),
    "posterize": (lambda t, p: t.RandomPosterize(4, p), [8], [4]),
    "solarize": (lambda t, p: t.RandomSolarize(128, p), [1], [128 / 255]),
    "sharpness": (lambda t, p: t.RandomAdjustSharpness(0.5, p), [1], [0.5]),
    "perspective": (lambda t, p: t.RandomPerspective(0.5, p), [0] * 8, None),
    "erasing": (lambda t, p: t.RandomErasing(p), [0] * 4, None),
    "blur": (lambda t, p: t.RandomApply([t.GaussianBlur(3, 1.5)], p), [0], [1.5]),
    "color": (lambda t, p: t.RandomApply([jitter(t)], p), [1, 1, 1, 0], None),
    "color_order": (lambda t, p: t.RandomApply([jitter(t)], p), [0, 1, 2, 3], None),
    "crop": (lambda t, p: t.RandomApply([t.RandomCrop(20)], p), [0, 0, 1, 1], None),
    "rotation": (
        lambda t, p: t.RandomApply([t.RandomRotation((-90, -90), expand=True)], p), [0], [3]
    ),
    "angle": (lambda t, p: t.RandomApply([t.RandomRotation((20, 20))], p), [0], [20]),
    "affine": (lambda t, p: t.RandomApply([t.RandomAffine(9)], p), [0, 0, 0, 1, 1, 0, 0], None),
}  # fmt: skip


@APIS
@pytest.mark.parametrize("entry", WITH_P)
def test_the_identity_stands_where_nothing_was_applied(api: ModuleType, entry: str) -> None:
    build, identity, applied = WITH_P[entry]
    torch.manual_seed(1)
    never, always = TorchvisionRecorder(build(api, 0.0)), TorchvisionRecorder(build(api, 1.0))
    assert tuple(never.layout[entry].identity) == tuple(identity)
    assert never(image())[1][entry].tolist() == identity
    value = always(image())[1][entry].tolist()
    assert value == pytest.approx(applied) if applied else value != identity


@APIS
def test_encoders_carry_the_ranges_of_the_pipeline(api: ModuleType) -> None:
    pipeline = [
        api.ColorJitter(0.4, (0.5, 2.0), 0.2, 0),
        api.RandomSolarize(128),
        api.RandomPosterize(3),
    ]
    recorder = TorchvisionRecorder(api.Compose([*pipeline, api.GaussianBlur(3, (0.2, 1.0))]))
    ranges = {encoder.name: encoder.ranges for encoder in recorder.encoders}
    assert ranges["color"][1] == (0.5, 2.0)
    assert ranges["color"][3] is None
    assert ranges["blur"] == ((0.2, 1.0),)
    assert ranges["solarize"][0] == (0.0, 1.0)  # whatever the image's dtype
    assert ranges["posterize"] == ((3.0, 3.0),)
    assert [encoder.width for encoder in recorder.encoders] == [3, 1, 1, 1]  # no hue
    _, record = recorder(image())
    assert record["color"][3] == 0
    assert recorder.layout["color"].ranges == ranges["color"]
    for encoder in recorder.encoders:
        encoder.check({entry: columns[None] for entry, columns in record.items()})


@APIS
def test_asymmetric_pipelines_get_the_same_entries_by_types(api: ModuleType) -> None:
    one, two = byol(api, 1.0, 0.0)[:-1], [*byol(api, 0.1, 0.2), api.RandomVerticalFlip()]
    wanted = ["solarize", "vertical_flip", "crop"]
    first = TorchvisionRecorder(api.Compose(one), types=wanted)
    second = TorchvisionRecorder(api.Compose(two))
    assert list(first.layout) == list(second.layout)
    _, record = first(image())
    assert record["solarize"].tolist() == [1.0]
    assert record["vertical_flip"].tolist() == [0.0]
    assert {encoder.name for encoder in first.encoders}.isdisjoint({"solarize", "vertical_flip"})
    with pytest.raises(PipelineError, match="colour"):
        TorchvisionRecorder(api.Compose(one), types=["colour"])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (torch.rand(3, 8, 8) * 255, "values up to 2"),
        (torch.rand(8, 8), r"found \(8, 8\)"),
        (torch.rand(3, 0, 8), r"found \(3, 0, 8\)"),
    ],
    ids=["0-255 floats", "no channels", "empty"],
)
@APIS
def test_bad_images_are_refused(api: ModuleType, given: Tensor, found: str) -> None:
    recorder = TorchvisionRecorder(api.RandomHorizontalFlip())
    with pytest.raises(ImageError, match=found):
        recorder(given)
    with pytest.raises(ImageError, match=found):
        recorder(given)
    recorder(image())


@APIS
def test_threads_do_not_mix_their_records(api: ModuleType) -> None:
    rows = torch.arange(1, 201).reshape(-1, 1).expand(200, 200)
    ramp = torch.stack([rows, rows.mT, torch.full_like(rows, 255)]).byte()
    sizes, started = (20, 30, 40), Barrier(3)

    def run(size: int) -> list[tuple[Tensor, list[float]]]:
        recorder = TorchvisionRecorder(
            api.Compose([api.RandomCrop(120), api.RandomHorizontalFlip(), api.RandomCrop(size)])
        )
        started.wait(timeout=30)
        pairs = [recorder(ramp) for _ in range(60)]
        return [(view, [*record["crop"].tolist(), float(record["flip"])]) for view, record in pairs]

    with ThreadPoolExecutor(len(sizes)) as pool:
        for size, pairs in zip(sizes, pool.map(run, sizes), strict=True):
            for view, record in pairs:
                top, left = int(view[0].min()) - 1, int(view[1].min()) - 1
                flipped = float(view[1, 0, 0] > view[1, 0, 1])
                expected = [top / 200, left / 200, size / 200, size / 200, flipped]
                assert record == pytest.approx(expected, abs=1e-6)


@APIS
def test_one_recorder_may_serve_several_threads(api: ModuleType) -> None:
    recorder = TorchvisionRecorder(api.Compose([api.RandomCrop(30), api.RandomSolarize(0)]))
    ramp = torch.arange(44).reshape(1, -1, 1).expand(3, 44, 44).byte()
    with ThreadPoolExecutor(3) as pool:
        for view, record in pool.map(recorder, [ramp] * 90):
            solarized = int(view.max()) > 44
            rows = 255 - view.int() if solarized else view.int()
            assert float(record["crop"][0]) == pytest.approx(int(rows.min()) / 44)
            assert float(record["solarize"]) == (0.0 if solarized else 1.0)
