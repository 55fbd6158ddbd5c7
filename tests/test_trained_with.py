"""A checkpoint tells which encoders it was trained with; a loss of others says so."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from augself_loss import AugSelfLoss, ColorEncoder, CropEncoder, LoadedEncodersWarning
from augself_loss.objectives import Condition, ConditionedProjector, EquiMod, Objectives

WEAK, STRONG = ColorEncoder(brightness=(0.9, 1.1)), ColorEncoder(brightness=(0.2, 1.8))


def augself(color: ColorEncoder) -> nn.Module:
    return AugSelfLoss(8, hidden_dim=4, encoders=[color])


def equimod(color: ColorEncoder) -> nn.Module:
    return EquiMod(8, Condition([color]), hidden_dim=4, embedding_dim=4)


def together(color: ColorEncoder) -> nn.Module:
    return Objectives({"equimod": equimod(color)})


def projector(color: ColorEncoder) -> nn.Module:
    condition = Condition([color])
    width = ConditionedProjector.input_dim(8, condition)
    return nn.Sequential(ConditionedProjector(nn.Linear(width, 4), condition, 8))


BUILDS = pytest.mark.parametrize("build", [augself, equimod, together, projector])


def saved(module: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@BUILDS
def test_other_ranges_are_told(build: Any) -> None:
    state = saved(build(STRONG))
    with pytest.warns(LoadedEncodersWarning, match=r"\(0.2, 1.8\).*\(0.9, 1.1\).*other units"):
        build(WEAK).load_state_dict(state)


@BUILDS
def test_the_same_ranges_say_nothing(build: Any) -> None:
    module = build(STRONG)
    for state in (saved(module), module.state_dict(), saved(copy.deepcopy(module))):
        build(STRONG).load_state_dict(state)


@BUILDS
def test_it_is_no_key_and_can_be_lost(build: Any) -> None:
    """Hosts and older versions save states without metadata."""
    state = dict(saved(build(STRONG)))
    assert not any("trained_with" in key for key in state)
    build(WEAK).load_state_dict(state)


def test_another_preset_is_told() -> None:
    state = saved(AugSelfLoss(8, hidden_dim=4, preset="paper"))
    with pytest.warns(LoadedEncodersWarning, match="preset='paper'.*preset='default'"):
        AugSelfLoss(8, hidden_dim=4).load_state_dict(state)


def test_types_that_only_one_has_are_left_to_strict() -> None:
    state = saved(AugSelfLoss(8, {"crop": 1.0}, hidden_dim=4))
    with pytest.raises(RuntimeError, match="Missing key"):
        AugSelfLoss(8, hidden_dim=4, encoders=[CropEncoder()]).load_state_dict(state)


def test_a_condition_of_ones_own_is_not_compared() -> None:
    class Own:
        width = 4

        def __call__(self, record: Any) -> Any:
            return record["crop"]

    def build() -> nn.Module:
        width = ConditionedProjector.input_dim(8, Own())  # type: ignore[arg-type]
        return ConditionedProjector(nn.Linear(width, 4), Own(), 8)  # type: ignore[arg-type]

    build().load_state_dict(saved(build()))
