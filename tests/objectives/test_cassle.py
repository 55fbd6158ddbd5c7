"""CASSLE's conditioned projector, against its released code's numbers and by what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from augself_loss import (
    BlurEncoder,
    ColorEncoder,
    CropEncoder,
    Encoder,
    FeatureError,
    FlipEncoder,
    GrayscaleEncoder,
    LossError,
    RecordError,
)
from augself_loss.objectives import Condition, ConditionedProjector, GeneratedMLP, mlp, nt_xent

Cases = Callable[[str], Any]


def encoders() -> list[Encoder]:
    known: list[Encoder] = [
        BlurEncoder(), ColorEncoder(0.4, 0.4, 0.4, 0.1), CropEncoder(reach=0), FlipEncoder(),
        GrayscaleEncoder(),
    ]  # fmt: skip
    return [encoder.under("paper") for encoder in known]


@pytest.mark.parametrize("view", [1, 2])
def test_the_condition_is_the_released_codes(case: Cases, view: int) -> None:
    golden = case("cassle_case0")
    for name in ("blur", "color", "crop", "flip", "grayscale"):
        made = Condition(encoders(), [name])(golden.record(view))
        expected = golden[f"view{view}.descriptor.{name}"]
        torch.testing.assert_close(made, expected, atol=1e-6, rtol=0)
    whole = Condition(encoders(), ["color", "crop"])(case("cassle_case2").record(view))
    expected = case("cassle_case2")[f"view{view}.condition"]
    torch.testing.assert_close(whole, expected, atol=1e-6, rtol=0)


class Given:
    """A condition that was computed elsewhere: the released one reads pixels too."""

    def __init__(self, *vectors: Any) -> None:
        self.vectors, self.width = list(vectors), vectors[0].shape[1]

    def __call__(self, record: Any) -> Any:
        return self.vectors[record["view"]]


def test_simclr(case: Cases) -> None:
    golden = case("cassle_case0")
    given: Any = Given(golden["view1.condition"], golden["view2.condition"])
    project = ConditionedProjector(mlp([28, 16, 10], last="bias"), given, 16, hidden_dim=12)
    golden.load("condition", project.condition_mlp)
    golden.load("projector", project.projector)
    features = [golden.features(f"features{i}") for i in (1, 2)]
    z1, z2 = (project(f, {"view": i}) for i, f in enumerate(features))  # type: ignore[dict-item]
    loss = nt_xent(z1, z2, 0.2)
    loss.backward()
    torch.testing.assert_close(loss.detach(), golden["f64.loss.total"], atol=1e-9, rtol=0)
    for i, feature in enumerate(features, start=1):
        torch.testing.assert_close(feature.grad, golden[f"f64.grad{i}"], atol=1e-9, rtol=0)
    golden.check_gradients({"condition": project.condition_mlp, "projector": project.projector})


@pytest.mark.parametrize(
    ("name", "variant", "inputs", "depth"),
    [("raw_concat", "concatenate", 24, 0), ("mlp_add", "add", 16, 2),
     ("mlp_multiply", "multiply", 16, 2)],
)  # fmt: skip
def test_variants(case: Cases, name: str, variant: Any, inputs: int, depth: int) -> None:
    golden = case("cassle_case3")
    given: Any = Given(golden["view1.condition"])
    project = ConditionedProjector(
        mlp([inputs, 16, 4], last="bias"), given, 16, variant=variant, hidden_dim=12, depth=depth
    )
    if depth:
        golden.load(f"{name}.condition", project.condition_mlp)
    golden.load(f"{name}.projector", project.projector.double())
    features = golden.features("features1")
    out = project(features, {"view": 0})  # type: ignore[dict-item]
    out.square().sum().backward()
    torch.testing.assert_close(out.detach(), golden[f"f64.{name}.output"], atol=1e-9, rtol=0)
    torch.testing.assert_close(features.grad, golden[f"f64.{name}.grad1"], atol=1e-9, rtol=0)


def test_hypernetwork(case: Cases) -> None:
    golden = case("cassle_case3")
    given: Any = Given(golden["view1.condition"])
    project = ConditionedProjector(
        GeneratedMLP([16, 16, 4]), given, 16, variant="hypernetwork", hidden_dim=12, depth=2
    )
    golden.load("hypernetwork.hyper", project.condition_mlp)
    features = golden.features("features1")
    out = project(features, {"view": 0})  # type: ignore[dict-item]
    out.square().sum().backward()
    expected = golden["f64.hypernetwork.output"]
    torch.testing.assert_close(out.detach(), expected, atol=1e-9, rtol=0)
    expected = golden["f64.hypernetwork.grad1"]
    torch.testing.assert_close(features.grad, expected, atol=1e-9, rtol=0)


def test_what_no_hypernetwork_can_make_is_refused() -> None:
    condition, generated = Condition([FlipEncoder()]), GeneratedMLP([8, 4])
    with pytest.raises(LossError, match="that is a GeneratedMLP, found Linear"):
        ConditionedProjector(nn.Linear(8, 4), condition, 8, variant="hypernetwork")
    with pytest.raises(LossError, match="with weights, not a GeneratedMLP, found GeneratedMLP"):
        ConditionedProjector(generated, condition, 8, variant="add")
    with pytest.raises(FeatureError, match=r"expected \(B, 8 \+ 36\), found \(2, 8\)"):
        generated(torch.zeros(2, 8))
    with pytest.raises(LossError, match="two widths >= 1"):
        GeneratedMLP([8])
    with pytest.raises(LossError, match="depth expected"):
        ConditionedProjector(generated, condition, 8, variant="hypernetwork", depth=0)


def test_what_does_not_fit_is_refused() -> None:
    condition = Condition([FlipEncoder()])
    inputs = ConditionedProjector.input_dim(8, condition)
    assert inputs == 8 + 64
    assert ConditionedProjector.input_dim(8, condition, depth=0) == 9
    project = ConditionedProjector(nn.Linear(inputs, 4), condition, 8)
    with pytest.raises(FeatureError, match=r"expected features \(B, 8\), found \(4, 9\)"):
        project(torch.zeros(4, 9), {"flip": torch.zeros(4, 1)})
    with pytest.raises(FeatureError, match="same batch, found 4 and 3"):
        project(torch.zeros(4, 8), {"flip": torch.zeros(3, 1)})
    with pytest.raises(RecordError, match="expected the entry 'flip'"):
        project(torch.zeros(4, 8), {"crop": torch.zeros(4, 4)})
    with pytest.raises(LossError, match="variant expected"):
        ConditionedProjector(nn.Linear(8, 4), condition, 8, variant="hyper")  # type: ignore[arg-type]
    with pytest.raises(LossError, match="depth expected an integer >= 1"):
        ConditionedProjector(nn.Linear(8, 4), condition, 8, variant="add", depth=0)
    with pytest.raises(LossError, match=r"types from \['flip'\], found \['blur'\]"):
        Condition([FlipEncoder()], ["blur"])


@pytest.mark.parametrize(
    ("variant", "built"), [("concatenate", 8), ("add", 8 + 64), ("multiply", 8 + 64)]
)
def test_a_projector_for_other_inputs_is_refused_when_it_is_built(variant: Any, built: int) -> None:
    condition = Condition([FlipEncoder()])
    wanted = 16 + 56 if variant == "concatenate" else 8
    for projector in (nn.Linear(built, 4), mlp([built, 16, 4]), nn.Sequential(mlp([built, 4]))):
        with pytest.raises(LossError, match=f"projector of {wanted} inputs, found one of {built}"):
            ConditionedProjector(projector, condition, 8, variant=variant)
    unusual = nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 2, 3), nn.Flatten())
    for projector in (unusual, nn.Identity(), nn.LazyLinear(4)):
        project = ConditionedProjector(projector, condition, 8, variant=variant)
        project(torch.randn(4, 8), {"flip": torch.zeros(4, 1)})
