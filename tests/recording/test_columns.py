"""What readers and registered functions return: an entry's columns, as many as it has."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from augself_loss import BlurEncoder, RegressionEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

PICTURE = Image.new("RGB", (16, 12))
NOT_ONE: dict[str, tuple[Any, str]] = {
    "none": ((), "found 0"),
    "two": ((0.1, 0.2), "found 2"),
    "a number": (0.1, "found a float"),
}
"""What is no single column, and what is said of it."""
COLUMNS = pytest.mark.parametrize("case", NOT_ONE)


class Haze(v2.Transform):
    """Says what it does by its parameters, of which a user's encoder reads some."""

    def make_params(self, _inputs: Any) -> dict[str, Any]:
        return {"density": 0.1}

    def transform(self, inpt: Any, _params: dict[str, Any]) -> Any:
        return inpt

    _get_params, _transform = make_params, transform  # before torchvision 0.21


class Own:
    """A callable of a user's."""

    def __call__(self, image: Any) -> Any:
        return image


def encoder(returned: Any, entry: str = "haze") -> RegressionEncoder:
    """Make an encoder of one column whose readers return something; of a batch, for each image."""

    def row(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(row, value))
        return torch.full((4,), value) if isinstance(value, float) else value

    class HazeEncoder(RegressionEncoder):
        name, columns, identity = "haze", ("density",), (0.0,)
        torchvision = {"Haze": lambda _: {entry: returned}}
        kornia = {"RandomGaussianNoise": lambda _: {entry: row(returned)}}

    return HazeEncoder((0.0, 0.5))


@COLUMNS
@pytest.mark.parametrize("beside", [v2.RandomSolarize(0.5, p=0.0), v2.RandomRotation(90)])
def test_a_registered_function_reports_as_many_columns_as_there_are(case: str, beside: Any) -> None:
    """One more would be the next type's first, whether records are settled or written as read."""
    told, found = NOT_ONE[case]
    register = {Own: (BlurEncoder(), lambda own, image: (own(image), told))}
    recorder = TorchvisionRecorder(v2.Compose([Own(), beside]), register=register)
    says = rf"'Own' expected 1 column of 'blur', {found}\. Return .*\(sigma,\)"
    with pytest.raises(PipelineError, match=says):
        recorder(PICTURE)
    register = {Own: (BlurEncoder(), lambda own, image: (own(image), {"blur": told}))}
    with pytest.raises(PipelineError, match=says):
        TorchvisionRecorder(v2.Compose([Own(), beside]), register=register)(PICTURE)


@pytest.mark.parametrize("told", [(1.0,), [1.0], np.array([1.0]), torch.tensor([1.0]), (None,)])
def test_it_may_report_them_in_any_row(told: Any) -> None:
    register = {Own: (BlurEncoder(), lambda own, image: (own(image), told))}
    record = TorchvisionRecorder(Own(), register=register)(PICTURE)[1]
    assert record["blur"].tolist() == [0.0 if told == (None,) else 1.0]


def test_it_reports_numbers() -> None:
    register = {Own: (BlurEncoder(), lambda own, image: (own(image), ("1.0",)))}
    with pytest.raises(PipelineError, match="'Own' expected a number for sigma, found str"):
        TorchvisionRecorder(Own(), register=register)(PICTURE)


@COLUMNS
def test_a_reader_of_torchvision_s_returns_as_many_columns_as_there_are(case: str) -> None:
    returned, found = NOT_ONE[case]
    recorder = TorchvisionRecorder(Haze(), encoders=[encoder(returned)])
    with pytest.raises(PipelineError, match=rf"'Haze' expected 1 column of 'haze', {found}"):
        recorder(PICTURE)


@COLUMNS
@pytest.mark.parametrize("apply", ["kornia", "fused"])
def test_a_reader_of_kornia_s_returns_as_many_columns_as_there_are(case: str, apply: Any) -> None:
    returned, found = NOT_ONE[case]
    found = found.replace("float", "Tensor")  # a row for every image, not in a tuple
    noise = K.RandomGaussianNoise(p=1.0)
    recorder = KorniaRecorder(noise, encoders=[encoder(returned)], apply=apply)
    with pytest.raises(PipelineError, match=f"Noise' expected 1 column of 'haze', {found}"):
        recorder(torch.rand(4, 3, 8, 8))


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (encoder((0.1,), "haz"), "expected entries that an encoder has, found 'haz'"),
        (encoder((0.1,)), None),
    ],
)
def test_readers_return_entries_that_an_encoder_has(own: Any, says: str | None) -> None:
    recorders: list[Any] = [
        TorchvisionRecorder(Haze(), encoders=[own]),
        KorniaRecorder(K.RandomGaussianNoise(p=1.0), encoders=[own]),
    ]
    for recorder, images in zip(recorders, [PICTURE, torch.rand(4, 3, 8, 8)], strict=True):
        if says is None:
            assert recorder(images)[1]["haze"].unique().tolist() == pytest.approx([0.1])
            continue
        with pytest.raises(PipelineError, match=says):
            recorder(images)


def test_readers_return_a_dict() -> None:
    class Bare(RegressionEncoder):
        name, columns, identity = "haze", ("density",), (0.0,)
        torchvision = {"Haze": lambda _: (0.1,)}
        kornia = {"RandomGaussianNoise": lambda _: torch.zeros(4)}

    own = Bare((0.0, 0.5))
    with pytest.raises(PipelineError, match="reader of 'Haze' to return a dict, found a tuple"):
        TorchvisionRecorder(Haze(), encoders=[own])(PICTURE)
    noise = KorniaRecorder(K.RandomGaussianNoise(p=1.0), encoders=[own])
    with pytest.raises(PipelineError, match="to return a dict, found a Tensor"):
        noise(torch.rand(4, 3, 8, 8))
