"""Recording and its targets never wait for the device: no value is read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from augself_loss import AugSelfLoss, Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.drawn import applied

Images: TypeAlias = Callable[..., Tensor]
Build: TypeAlias = Callable[[], nn.Module]

READING = {"_local_scalar_dense", "item", "nonzero", "is_nonzero", "masked_select", "equal"}


class Reads(TorchDispatchMode):
    """Counts operations that would wait for the device, were the tensors there."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name.startswith(("index", "_unsafe_index", "_index_put")) and any(
            isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1] or ()
        )
        if name in READING or name.startswith(("_unique", "unique")) or by_mask:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def reads(call: Callable[[], object]) -> list[str]:
    torch.manual_seed(5)
    with Reads() as mode:
        call()
    return mode.names


def test_the_counter_sees_what_waits() -> None:
    x = torch.rand(4)
    assert reads(lambda: x.sum().item()) == ["_local_scalar_dense"]
    assert reads(lambda: bool(x.sum() > 0)) == ["_local_scalar_dense"]
    assert reads(lambda: x[x > 0.5]) != []
    assert reads(x.nonzero) == ["nonzero"]
    assert reads(lambda: x[torch.tensor([1, 2, 0, 0])] + x.where(x > 0.5, 0)) == []


def everything() -> list[nn.Module]:
    return [
        K.RandomHorizontalFlip(p=0.5),
        K.RandomVerticalFlip(p=0.5),
        K.RandomRotation90((0, 3), p=0.5),
        K.RandomResizedCrop((16, 16), cropping_mode="resample"),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5),
        K.ColorJiggle(0.4, 0.4, 0.4, 0.1, p=0.5),
        K.RandomGrayscale(p=0.5),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0), p=0.5),
        K.RandomSolarize((0.3, 0.8), p=0.5),
        K.RandomGamma((0.5, 1.5), p=0.5),
        K.RandomSharpness(0.5, p=0.5),
        K.RandomPosterize((2.0, 6.0), p=0.5),
        K.RandomEqualize(p=0.5),
        K.RandomInvert(p=0.5),
        K.RandomAutoContrast(p=0.5),
        K.RandomRotation(20.0, p=0.5),
        K.RandomAffine(20.0, (0.1, 0.1), p=0.5),
        K.RandomPerspective(0.3, p=0.5),
        K.RandomErasing(p=0.5),
        K.RandomHorizontalFlip(p=0.5),
    ]


PIPELINES: dict[str, Build] = {
    "nn.Sequential": lambda: nn.Sequential(*everything()),
    "AugmentationSequential": lambda: K.AugmentationSequential(*everything()),
    "nested": lambda: K.ImageSequential(K.ImageSequential(*everything()[:5]), *everything()[6:]),
    "choice": lambda: K.ImageSequential(*everything()[6:12], random_apply=(2, 4)),
    "crops": lambda: nn.Sequential(K.RandomCrop((20, 20), padding=3), K.CenterCrop((12, 12))),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_recording_reads_nothing_more_than_the_pipeline(name: str, smooth: Images) -> None:
    pipeline = PIPELINES[name]()
    recorder = KorniaRecorder(pipeline)
    images = smooth(6, 24, 24)
    recorder(images)  # the first call looks at the images' values
    alone, recorded = reads(lambda: pipeline(images)), reads(lambda: recorder(images))
    assert recorded == alone


HOST = {"forward_input_shape", "padding_size"}
"""Parameters that Kornia makes out of Python numbers: they always lie in the host's memory."""


@pytest.fixture
def on_meta(smooth: Images, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Record]:
    """Record a batch whose parameters lie on a device that no value can be read from."""

    def record_on_meta(recorder: KorniaRecorder, only: str = "") -> Record:
        recorder.pipeline(smooth(6, 24, 24))
        drawn = [
            (
                module,
                {k: v if k in HOST or only not in k else v.to("meta") for k, v in params.items()},
            )
            for module, params in applied(recorder._wiring, recorder.pipeline)
        ]

        recorder._run = lambda images: images  # type: ignore[method-assign]
        with monkeypatch.context() as patched:
            patched.setattr("augself_loss.recording.kornia.recorder.applied", lambda *_: drawn)
            _, record = recorder(torch.empty(6, 3, 24, 24, device="meta"))
        return record

    return record_on_meta


# Moved to a device, Kornia draws there whether to apply a step, but a crop's box on the host.
@pytest.mark.parametrize("only", ["", "batch_prob"])
@pytest.mark.parametrize("name", PIPELINES)
def test_settling_works_on_a_device_that_cannot_be_read(
    name: str, only: str, on_meta: Callable[..., Record]
) -> None:
    recorder = KorniaRecorder(PIPELINES[name]())
    record = on_meta(recorder, only)
    for entry, field in recorder.layout.items():
        assert record[entry].is_meta
        assert record[entry].shape == (6, field.width)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_targets_work_on_a_device_that_cannot_be_read(
    preset: Any, on_meta: Callable[..., Record]
) -> None:
    recorder = KorniaRecorder(PIPELINES["nn.Sequential"]())
    record = on_meta(recorder)
    for encoder in recorder.encoders:
        bound = encoder.under(preset)
        assert bound.absolute(record).is_meta
        target = bound.difference(record, record)
        assert target.is_meta
        prediction = torch.empty(6, bound.width, device="meta")
        assert bound.loss(prediction, target, bound.visible(record, record)).is_meta


@pytest.mark.parametrize("check_values", ["never", "first"])
def test_the_loss_reads_nothing_after_its_first_batch(check_values: Any, smooth: Images) -> None:
    recorder = KorniaRecorder(PIPELINES["nn.Sequential"]())
    images = smooth(6, 24, 24)
    (_, record1), (_, record2) = recorder(images), recorder(images)
    weights = {encoder.name: 1.0 for encoder in recorder.encoders}
    augself = AugSelfLoss(
        8, weights, hidden_dim=8, encoders=recorder.encoders, check_values=check_values
    )
    features = torch.randn(2, 6, 8)

    def forward() -> object:
        return augself(features[0], features[1], record1, record2)

    first = reads(forward)
    assert bool(first) == (check_values == "first")
    assert reads(forward) == []


@pytest.mark.parametrize("check_values", ["never", "first"])
def test_the_loss_works_on_a_device_that_cannot_be_read(
    check_values: Any, on_meta: Callable[..., Record]
) -> None:
    recorder = KorniaRecorder(PIPELINES["nn.Sequential"]())
    record = on_meta(recorder)
    weights = {encoder.name: 1.0 for encoder in recorder.encoders}
    augself = AugSelfLoss(
        8, weights, hidden_dim=8, encoders=recorder.encoders, check_values=check_values
    ).to("meta")
    features = torch.empty(6, 8, device="meta", requires_grad=True)
    out = augself(features, features, record, record)
    out.total.backward()
    assert out.total.is_meta
    assert set(out.terms) == set(weights)
