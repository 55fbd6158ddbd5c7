"""Records as vectors: frames, scales, flags, order."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from augself_loss import ColorEncoder, CropEncoder, FlipEncoder, LossError, RotationEncoder
from augself_loss.objectives import Condition, ConditionedProjector, EquiMod
from augself_loss.objectives.condition import in_view_frame


def test_a_crop_lies_where_the_flipped_view_shows_it() -> None:
    record = {
        "crop": torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 3),
        "flip": torch.tensor([[0.0], [1.0], [1.0]]),
        "vertical_flip": torch.tensor([[0.0], [0.0], [1.0]]),
    }
    expected = [[0.1, 0.2, 0.3, 0.4], [0.1, 0.4, 0.3, 0.4], [0.6, 0.4, 0.3, 0.4]]
    torch.testing.assert_close(in_view_frame(record)["crop"], torch.tensor(expected))
    source = Condition([CropEncoder()], frame="source")(record)
    assert source.eq(source[0]).all()


def test_flags_order_and_classes() -> None:
    known = [ColorEncoder(), RotationEncoder(), FlipEncoder()]
    condition = Condition(known, ["color", "rotation"], applied=("color",), order=True)
    record = {
        "color": torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.2, 1.0, 1.0, 0.0]]),
        "color_order": torch.tensor([[0.0, 1.0, 2.0, 3.0], [3.0, 1.0, 2.0, 0.0]]),
        "rotation": torch.tensor([[0.0], [3.0]]),
    }
    made = condition(record)
    assert made.shape == (2, condition.width) == (2, 1 + 4 + 4 + 4)
    assert made[:, 0].tolist() == [0.0, 1.0]
    assert made[1, 1:5].tolist() == [3.0, 1.0, 2.0, 0.0]
    torch.testing.assert_close(made[1, 5:9], torch.tensor([0.25, 0.0, 0.0, 0.0]))
    assert made[:, 9:].argmax(dim=1).tolist() == [0, 3]


RECORDER: Any = SimpleNamespace(encoders=(FlipEncoder(),), layout=FlipEncoder().fields)


@pytest.mark.parametrize("build", [Condition, EquiMod.describe])
@pytest.mark.parametrize("given", [RECORDER, RECORDER.layout, [], None, "flip"])
def test_a_recorder_is_no_list_of_its_encoders(build: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(LossError, match=r"recorder's encoders, found \w+\. Pass recorder.encoders"):
        build(given)


@pytest.mark.parametrize("name", ["types", "applied", "flags_only"])
def test_one_name_is_no_list_of_names(name: str) -> None:
    with pytest.raises(LossError, match=rf"{name} as a list of names, found 'flip': write \['flip"):
        Condition([FlipEncoder()], **{name: "flip"})  # type: ignore[arg-type]


@pytest.mark.parametrize("condition", [RECORDER, RECORDER.encoders, nn.Linear(2, 2)])
def test_networks_want_a_condition(condition: Any) -> None:
    with pytest.raises(LossError, match="EquiMod expected a Condition"):
        EquiMod(8, condition)
    with pytest.raises(LossError, match="ConditionedProjector expected a Condition"):
        ConditionedProjector(nn.Linear(8, 4), condition, 8)


def test_equimod_describes_some_type_of_its_own() -> None:
    with pytest.raises(LossError, match=r"describe expected some of .*, found \['rotation'\]"):
        EquiMod.describe([RotationEncoder()])
