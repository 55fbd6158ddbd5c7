"""E-SSL's rotation term, against its released code's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from augself_loss import FeatureError, ImageError
from augself_loss.objectives import ESSL, four_rotations

Cases = Callable[[str], Any]


@pytest.mark.parametrize(
    ("name", "widths", "last_relu"),
    [("essl_case0", (12, 12), True), ("essl_case2", (16, 16, 10), False)],
)
def test_term_and_gradients(
    case: Cases, name: str, widths: tuple[int, ...], last_relu: bool
) -> None:
    golden = case(name)
    term = ESSL(16, hidden_dims=widths, last_relu=last_relu)
    golden.load("rotation_head", term.head)
    rotated = golden.features("features_rotated")
    loss = term(third=rotated).terms["essl"]
    torch.testing.assert_close(loss.detach(), golden["f64.loss.rotation"], atol=1e-9, rtol=0)
    (golden["weight.rotation"] * loss).backward()
    torch.testing.assert_close(rotated.grad, golden["f64.grad_rotated"], atol=1e-9, rtol=0)
    golden.check_gradients({"rotation_head": term.head})
    turned = four_rotations(golden["images"])
    assert torch.equal(turned, golden["f64.images_rotated"])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ImageError, match="square"):
        four_rotations(torch.zeros(2, 3, 4, 5))
    for shape in ((6, 8), (0, 8), (4, 8, 1)):
        with pytest.raises(FeatureError, match="of the images from four_rotations"):
            ESSL(8)(third=torch.zeros(shape))
