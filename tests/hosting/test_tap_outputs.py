"""Features in what a submodule returns: the one tensor in it, or none that could be guessed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from tapped import views
from torch import Tensor, nn

from augself_loss.errors import FeatureError
from augself_loss.taps import FeatureTaps


class Layer(nn.Module):
    """Returns what it makes of its layer's output."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.inner, self.wrap = nn.Linear(5, 3), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.inner(x))


def tapped(wrap: Any) -> tuple[Tensor, ...]:
    model, (view1, view2) = nn.ModuleDict({"layer": Layer(wrap)}), views()
    taps = FeatureTaps(model, "layer")
    with taps.watch(model, [view1, view2]):
        model["layer"](view2), model["layer"](view1)
    return (*taps.features([0, 1]), *(model["layer"].inner(view) for view in (view1, view2)))


ONE = {
    "a tensor": lambda x: x,
    "a tuple": lambda x: (x,),
    "a list": lambda x: [x],
    "with nothing": lambda x: (x, None),
    "an object of one entry": lambda x: OrderedDict(last_hidden_state=x),
}


@pytest.mark.parametrize("wrap", ONE.values(), ids=list(ONE))
def test_the_one_tensor_is_taken(wrap: Any) -> None:
    found1, found2, expected1, expected2 = tapped(wrap)
    assert torch.equal(found1, expected1)
    assert torch.equal(found2, expected2)


SEVERAL = {
    "two": (lambda x: (x, x + 1), r"tuple with \[0, 1\]"),
    "named": (lambda x: {"last": x, "pooled": x[:, 0]}, r"dict with \['last', 'pooled'\]"),
    "a list in a tuple": (lambda x: ([x],), r"tuple with \[0\]"),
    "none": (lambda _: (None,), r"tuple with \[0\]"),
    "nothing": (lambda _: None, r"NoneType"),
}


@pytest.mark.parametrize(("wrap", "found"), SEVERAL.values(), ids=list(SEVERAL))
def test_several_are_refused_with_their_names(wrap: Any, found: str) -> None:
    with pytest.raises(FeatureError, match=rf"'layer' expected a tensor.*found {found}.*find_taps"):
        tapped(wrap)


def test_your_own_reading_comes_first() -> None:
    model, (view, _) = nn.ModuleDict({"layer": Layer(lambda x: (x, x + 1))}), views()
    taps = FeatureTaps(model, "layer", read=lambda output: output[1])
    with taps.watch(model, [view]):
        model["layer"](view)
    assert torch.equal(taps.features([0])[0], model["layer"].inner(view) + 1)
