"""EquiMod's term, against its released code's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kornia.augmentation import RandomHorizontalFlip

from augself_loss import (
    BlurEncoder,
    ColorEncoder,
    CropEncoder,
    Encoder,
    FeatureError,
    FlipEncoder,
    GrayscaleEncoder,
    LossError,
    Record,
    SolarizeEncoder,
)
from augself_loss.objectives import Condition, EquiMod, mlp
from augself_loss.recording.kornia import KorniaRecorder

Cases = Callable[[str], Any]
TYPES = ("crop", "flip", "color", "grayscale", "blur", "solarize")


def condition(*types: str) -> Condition:
    known: list[Encoder] = [
        CropEncoder(), FlipEncoder(), ColorEncoder(0.8, 0.8, 0.8, 0.2), GrayscaleEncoder(),
        BlurEncoder(), SolarizeEncoder(),
    ]  # fmt: skip
    return Condition(
        known, types, frame="source", scale="none", order=True, applied=("color", "blur"),
        flags_only=("solarize",),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "count"), [("equimod_case0", 5), ("equimod_case2", 6)])
@pytest.mark.parametrize("view", [1, 2])
def test_the_vector_is_the_released_codes(case: Cases, name: str, count: int, view: int) -> None:
    golden = case(name)
    record = dict(golden.record(view))
    height, width = golden["image_size"].unbind(-1)
    record["crop"] = record["crop"] * torch.stack([height, width, height, width], dim=-1)
    made = condition(*TYPES[:count])(record)
    torch.testing.assert_close(made, golden[f"view{view}.raw"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("name", "count"), [("equimod_case0", 5), ("equimod_case2", 6)])
def test_the_term(case: Cases, name: str, count: int) -> None:
    golden = case(name)
    term = EquiMod(
        16, condition(*TYPES[:count]), hidden_dim=20, embedding_dim=10,
        mean=golden["normalise.mean"].tolist(), std=golden["normalise.std"].tolist(),
    )  # fmt: skip
    between = len(golden["parameter_projector.linear0.weight"])
    term.parameters_mlp = mlp([term.condition.width, between], last="norm")
    term.predict = mlp([10 + between, 10], last="norm without weights")
    golden.load("equivariant_projector", term.embed)
    golden.load("parameter_projector", term.parameters_mlp)
    golden.load("equivariant_predictor", term.predict)
    features = [golden.features(f"features{i}") for i in range(3)]
    raw = torch.cat([golden["view1.raw"], golden["view2.raw"]])
    term.mean, term.std = golden["normalise.mean"], golden["normalise.std"]
    loss = term.compare(features[0], features[1:], raw)
    loss.backward()
    torch.testing.assert_close(loss.detach(), golden["f64.loss.equivariance"], atol=1e-9, rtol=0)
    for i, feature in enumerate(features):
        expected = golden[f"f64.equivariance_grad{i}"]
        torch.testing.assert_close(feature.grad, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("scale", [{"mean": [0.5]}, {"std": [1.0]}, {"mean": [0, 1], "std": [1]}])
def test_a_scale_is_whole_or_none(scale: Any) -> None:
    with pytest.raises(LossError, match="mean and std, with 1 columns, or neither"):
        EquiMod(8, Condition([FlipEncoder()]), **scale)


@pytest.mark.parametrize("numbers", [list, tuple, torch.tensor, np.array])
def test_whole_numbers_scale_as_others_do(numbers: Any) -> None:
    condition = EquiMod.describe([CropEncoder(), FlipEncoder()])
    width = condition.width

    def term(mean: Any, std: Any) -> Any:
        torch.manual_seed(0)
        small: Any = {"hidden_dim": 8, "embedding_dim": 4}
        return EquiMod(8, condition, mean=mean, std=std, **small).double()

    whole = term(numbers([0] * width), numbers([1] * width))
    plain = term([0.0] * width, [1.0] * width)
    assert whole.mean.dtype == whole.std.dtype == torch.float64
    features = list(torch.randn(3, 4, 8, dtype=torch.float64))
    record = {"crop": torch.rand(4, 4), "flip": torch.tensor([[0.0], [1.0], [0.0], [1.0]])}
    totals = [one(features[1:], [record, record], features[0]).total for one in (whole, plain)]
    torch.testing.assert_close(*totals, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"mean": [0.0], "std": [0.0]}, r"std expected finite numbers > 0, found \[0.0\]"),
        ({"mean": [0.0], "std": [-1]}, "std expected finite numbers > 0"),
        ({"mean": [float("nan")], "std": [1.0]}, "mean expected finite numbers, found"),
        ({"mean": ["0"], "std": [1.0]}, "mean expected finite numbers"),
        ({"mean": [0.0], "std": [True]}, "std expected finite numbers"),
        ({"mean": [[0.0, 1.0]], "std": [1.0]}, "mean expected finite numbers"),
        ({"temperature": 0}, r"temperature expected finite numbers > 0, found \[0\]"),
    ],
)
def test_numbers_that_scale_nothing_are_refused(numbers: Any, said: str) -> None:
    with pytest.raises(LossError, match=said):
        EquiMod(8, Condition([FlipEncoder()]), **numbers)


class Mine:
    """A condition of one's own."""

    width = 1

    def __call__(self, record: Record) -> torch.Tensor:
        return record["flip"]


def test_a_condition_of_ones_own() -> None:
    term = EquiMod(8, Mine(), hidden_dim=8, embedding_dim=4)  # type: ignore[arg-type]
    record = {"flip": torch.tensor([[0.0], [1.0], [0.0]])}
    views = list(torch.randn(3, 3, 8))
    assert bool(term(views[1:], [record, record], views[0]).total.isfinite())
    term.check_recorder(KorniaRecorder(RandomHorizontalFlip()))


def test_one_view_alone_is_refused() -> None:
    term = EquiMod(8, Condition([FlipEncoder()]), hidden_dim=8, embedding_dim=4)
    plain, record = torch.randn(1, 8), {"flip": torch.zeros(1, 1)}
    with pytest.raises(FeatureError, match="at least 2 views in a batch, for its batch norms"):
        term([plain], [record], plain)
    term([plain, plain], [record, record], plain)  # two views of one image will do
    term.eval()([plain], [record], plain)


def test_built_on_meta_it_has_its_scale_again() -> None:
    condition = Condition([FlipEncoder()])
    with torch.device("meta"):
        term = EquiMod(8, condition, mean=[0.5], std=[2], hidden_dim=8, embedding_dim=4)
    term.to_empty(device="cpu")
    for module in term.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]
    assert (term.mean.tolist(), term.std.tolist()) == ([0.5], [2.0])
    assert term.weights == {"equimod": 1.0}


def test_what_does_not_fit_is_refused() -> None:
    term = EquiMod(8, Condition([FlipEncoder()]), hidden_dim=8, embedding_dim=4)
    plain, record = torch.zeros(3, 8), {"flip": torch.zeros(3, 1)}
    with pytest.raises(FeatureError, match="found 1 and 2"):
        term([plain], [record, record], plain)
    with pytest.raises(FeatureError, match=r"with the shape of the plain images', \(3, 8\)"):
        term([plain[:2], plain[:2]], [record, record], plain)
    with pytest.raises(FeatureError, match=r"with the same shape for all views"):
        term([plain[:2], plain], [record, record], plain)
    with pytest.raises(FeatureError, match="third=, the backbone's features of the images without"):
        term([plain, plain], [record, record])
