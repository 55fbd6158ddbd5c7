"""Whether boxes are regressed, chosen and compared as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transfer.data.sets import Fold
from transfer.evaluation.localization import localization, mean_iou

ORDER = torch.randperm(400, generator=torch.Generator().manual_seed(1))
FOLD = Fold(*torch.split(ORDER, [200, 80, 120]))


@pytest.fixture
def boxes() -> Tensor:
    random = torch.Generator().manual_seed(0)
    centres = torch.rand(400, 2, generator=random) * 0.6 + 0.2
    return torch.cat([centres, torch.rand(400, 2, generator=random) * 0.3 + 0.1], dim=1)


def test_iou_by_hand() -> None:
    one = np.array([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2], [0.2, 0.2, 0.2, 0.2]])
    two = np.array([[0.5, 0.5, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2]])
    # The same; half of it shared, so 0.02 of 0.06; apart.
    assert mean_iou(one, two) == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert mean_iou(np.tile(one, (200, 1)), np.tile(two, (200, 1))) == pytest.approx(4 / 9)


def test_features_that_hold_the_box_give_it_back(boxes: Tensor) -> None:
    known = torch.cat([boxes[:, :2], boxes[:, 2:].log()], dim=1)
    features = known @ torch.randn(4, 32, generator=torch.Generator().manual_seed(2))
    found = localization(features, boxes, [FOLD])
    assert found["test"] > 0.97
    assert found["R2"] > 0.99
    assert list(found["columns"]) == ["cx", "cy", "w", "h"]
    assert found["n_test"] == 120
    assert found["baseline"] < 0.4


def test_features_that_hold_the_place_alone(boxes: Tensor) -> None:
    columns = localization(boxes[:, :2], boxes, [FOLD])["columns"]
    assert min(columns["cx"], columns["cy"]) > 0.99
    assert max(columns["w"], columns["h"]) < 0.1


def test_features_that_hold_nothing_are_as_good_as_the_mean_box(boxes: Tensor) -> None:
    noise = torch.randn(400, 32, generator=torch.Generator().manual_seed(2))
    found = localization(noise, boxes, [FOLD])
    assert found["test"] == pytest.approx(found["baseline"], abs=0.03)
    assert found["R2"] < 0.05


def test_test_rows_change_no_choice(boxes: Tensor) -> None:
    features = boxes + 0.05 * torch.randn(400, 4, generator=torch.Generator().manual_seed(2))
    found = localization(features, boxes, [FOLD])
    features[FOLD.test] = 1e6  # and no size overflows
    boxes[FOLD.test] = torch.tensor([0.5, 0.5, 0.1, 0.1])
    other = localization(features, boxes, [FOLD])
    assert (other["alpha"], other["val"]) == (found["alpha"], found["val"])


def test_folds_weigh_as_much_as_they_test(boxes: Tensor) -> None:
    folds = [FOLD, Fold(ORDER[200:], ORDER[40:200], ORDER[:40])]
    found = localization(boxes, boxes, folds)
    first, second = found["folds"]
    assert found["test"] == pytest.approx((120 * first + 40 * second) / 160)
    assert len(found["alpha"]) == 2


def test_refuses_what_is_no_box(boxes: Tensor) -> None:
    with pytest.raises(ValueError, match=r"boxes \(N, 4\)"):
        localization(boxes, boxes[:, :3], [FOLD])
    boxes[3, 2] = 0
    with pytest.raises(ValueError, match="width or height 0"):
        localization(boxes, boxes, [FOLD])


def test_the_standard_error_is_that_of_other_boxes(boxes: Tensor) -> None:
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(2))
    found = localization(features, boxes, [FOLD])
    assert 0.005 < found["standard_error"] < 0.03
    assert found["standard_error"] == localization(features, boxes, [FOLD, FOLD])["standard_error"]
    one_group = localization(features, boxes, [FOLD], groups=torch.zeros(400, dtype=torch.int64))
    assert one_group["standard_error"] == pytest.approx(0, abs=1e-9)
