"""What fuzzing found and nothing else tests, once each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss import (
    AugSelfLoss,
    BlurEncoder,
    ColorEncoder,
    EncoderError,
    FeatureError,
    ImageError,
    Record,
    RecordError,
    SolarizeEncoder,
    identity_record,
    pack,
    unpack,
)
from augself_loss.encoders import default_encoders
from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

LAYOUT = default_encoders()["flip"].fields
RECORD = identity_record(LAYOUT, 4)


def built(**options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(3, {"flip": 1.0}, hidden_dim=8, **options)


@pytest.mark.parametrize("size", [1e19, 1e38])
def test_features_whose_variance_overflows(size: float) -> None:
    """Batch norm divided by infinity: a finite loss that knew nothing of the features."""
    augself = built()
    state = {name: value.clone() for name, value in augself.state_dict().items()}
    with pytest.raises(FeatureError, match=r"features1 expected values up to 1e\+15, found"):
        augself(torch.randn(4, 3) * size, torch.randn(4, 3), RECORD, RECORD)
    assert all(value.equal(state[name]) for name, value in augself.state_dict().items())
    assert augself(*torch.randn(2, 4, 3).mul(1e14), RECORD, RECORD).total.isfinite()


def test_features_that_float16_cannot_multiply() -> None:
    augself, large = built(), torch.randn(4, 3) * 1e6
    with torch.autocast("cpu", torch.float16):
        for _ in range(2):  # what was refused is looked at again
            with pytest.raises(FeatureError, match="finite values for finite features, found NaN"):
                augself(large, large, RECORD, RECORD)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, 3.0])
@pytest.mark.parametrize("entry", ["flip", "vertical_flip"])
def test_entries_that_a_target_only_reads_are_looked_at(entry: str, value: float) -> None:
    """A crop is measured in the flip's frame: NaN there was NaN in the loss."""
    fields = {n: f for e in default_encoders().values() for n, f in e.fields.items()}
    good = identity_record(fields, 4)
    wrong = {**good, entry: torch.full((4, 1), value)}
    expected = rf"The record's '{entry}' expected (finite|{entry} in) .*, found"
    with pytest.raises(RecordError, match=expected):
        AugSelfLoss(3, {"crop": 1.0}, hidden_dim=8)(*torch.randn(2, 4, 3), good, wrong)


@pytest.mark.parametrize("autocast", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_halves_under_the_other_halfs_autocast(autocast: torch.dtype, dtype: torch.dtype) -> None:
    record = {name: entry.to(dtype) for name, entry in RECORD.items()}
    views = [view.to(dtype) for view in torch.randn(2, 4, 3)]
    with torch.autocast("cpu", autocast):
        total = built()(*views, record, record).total
    assert total.dtype in (torch.float32, torch.float64)
    assert total.isfinite()


@pytest.mark.parametrize("odd", [Tensor.to_sparse, lambda t: t.to(torch.float8_e4m3fn)])
def test_tensors_not_to_compute_with(odd: Any) -> None:
    dense, strange = torch.ones(4, 3), odd(torch.ones(4, 3))
    with pytest.raises(FeatureError, match=r"features2 expected floating-point .*torch\.float"):
        built()(dense, strange, RECORD, RECORD)
    with pytest.raises(RecordError, match=r"record2\['flip'\] expected a floating-point"):
        built()(dense, dense, RECORD, {"flip": odd(torch.ones(4, 1))})
    with pytest.raises(RecordError, match="pack expected 'flip' as a floating-point"):
        pack({"flip": odd(torch.ones(4, 1))}, LAYOUT)


def test_packed_bits_are_no_numbers() -> None:
    with pytest.raises(RecordError, match=r"int32.*use split_views"):
        unpack(torch.zeros(4, 1, dtype=torch.int32), LAYOUT)
    for layout in (None, {"flip": 1}):
        with pytest.raises(RecordError, match="layout expected a dict"):
            unpack(torch.zeros(4, 1), layout)  # type: ignore[arg-type]
    for views in (None, 3, torch.zeros(2, 2), "views", {"view": 1}):
        with pytest.raises(RecordError, match="AugSelf expected the views of a batch"):
            split_views(views, LAYOUT)  # type: ignore[arg-type]


class Doubles:
    """A recorder of somebody else's, that records float64."""

    layout, encoders = LAYOUT, ()

    def __call__(self, image: Any, /) -> tuple[Any, Record]:
        return image, {"flip": torch.ones(4, 1, dtype=torch.float64)}


def test_records_of_float64_are_packed_as_float32() -> None:
    *_, packed = MultiViewRecorder(Doubles())(0)
    assert packed.shape == (4, 2, 2)
    assert packed[..., :1].view(torch.float32).eq(1).all()
    with pytest.raises(PipelineError, match="expected recorders, found NoneType"):
        MultiViewRecorder(None)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"views expected an integer, found 2\.0"):
        MultiViewRecorder(Doubles(), 2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("sigma", [1e38, (0.1, 1e300), 1e-40])
def test_ranges_that_float32_cannot_hold(sigma: Any) -> None:
    with pytest.raises(EncoderError, match=r"within -1e\+15 … 1e\+15|zero width or nearly"):
        BlurEncoder(sigma)
    with pytest.raises(EncoderError, match="zero width or nearly"):
        ColorEncoder(brightness=1e-7)


def test_solarization_beyond_the_brightest_value_is_none() -> None:
    with pytest.raises(EncoderError, match=r"in \[0, 1\], found -1"):
        SolarizeEncoder(-1.0)
    assert TorchvisionRecorder(v2.RandomSolarize(256, p=1.0)).layout == {}
    assert TorchvisionRecorder(v2.RandomSolarize(128, p=1.0)).encoders[0].ranges[0][0] < 1  # type: ignore[index]


@pytest.mark.parametrize("api", [v1, v2])
def test_a_translation_rounded_to_whole_pixels_stays_in_its_range(api: Any) -> None:
    """2 pixels of 32 are more than 0.05: the loss refused its own pipeline's records."""
    recorder = TorchvisionRecorder(api.RandomAffine(0, translate=(0.05, 0.05)))
    (encoder,) = recorder.encoders
    for seed in range(20):
        torch.manual_seed(seed)
        _, record = recorder(torch.zeros(3, 32, 32))
        encoder.check({name: entry[None] for name, entry in record.items()})


def test_a_perspective_that_moves_corners_onto_one_line() -> None:
    """v2 keeps coefficients only, which cannot always tell where the corners went."""
    records = []
    for api in (v1, v2):
        recorder = TorchvisionRecorder(api.RandomPerspective(0.9, p=1.0))
        torch.manual_seed(0)
        records.append([recorder(torch.zeros(1, 8, 8))[1]["perspective"] for _ in range(200)])
    assert torch.equal(torch.stack(records[0]), torch.stack(records[1]))


def test_a_numpy_image_is_no_image() -> None:
    recorder = TorchvisionRecorder(v2.RandomHorizontalFlip(p=1.0))
    for kind, found in (
        (v1.RandomErasing(p=0.0), "ndarray"),
        (v1.RandomHorizontalFlip(p=0.0), "ndarray"),
        (v2.RandomInvert(p=1.0), "neither"),
    ):
        name = type(kind).__name__
        message = f"'{name}' expected a PIL image or tensor, found {found}"
        with pytest.raises(ImageError, match=message):
            TorchvisionRecorder(kind)(torch.zeros(4, 4, 3).numpy())
    assert isinstance(recorder(Image.new("RGB", (4, 4)))[0], Image.Image)
