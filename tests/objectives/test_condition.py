"""Records as vectors: frames, scales, flags, order."""

from __future__ import annotations

import torch

from augself_loss import ColorEncoder, CropEncoder, FlipEncoder, RotationEncoder
from augself_loss.objectives import Condition
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
