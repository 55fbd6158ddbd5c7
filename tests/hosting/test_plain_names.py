"""Where AugSelf finds a tap's name: in the model, in its wrappers, in a child called ``module``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from plain_parts import build, images, network, step
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from augself_loss import LossError
from augself_loss.hosting.in_sync import InSync


class Named(nn.Module):
    """A network, no wrapper, that calls one of its children ``module``."""

    def __init__(self, head: bool = True) -> None:
        super().__init__()
        backbone, *rest = network()
        self.module = nn.Sequential(backbone, nn.Flatten())
        self.head = nn.Sequential(*rest) if head else None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x)
        return out if self.head is None else self.head(out)


class HandsOn(nn.Module):
    """A wrapper as hosts write them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    "none": lambda m: m,
    "compiled": lambda m: torch.compile(m, backend="eager"),
    "DataParallel": nn.DataParallel,
    "average": AveragedModel,
    "another": HandsOn,
    "two": lambda m: HandsOn(nn.DataParallel(m)),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # where a tap breaks a graph
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
@pytest.mark.parametrize("tap", ["module.0", "module", ("module.0", "head")])
def test_a_child_may_be_called_module(wrap: Callable[[nn.Module], Any], tap: Any) -> None:
    torch._dynamo.reset()
    model = wrap(Named())
    augself = build(model, taps=tap)
    loss, term = step(augself, model, images())
    (loss + term).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    augself.join(optimizer)
    augself.check_optimizer(optimizer)


def test_an_only_child_may_be_called_module() -> None:
    """Names are read in the network that was given, or else in that child, as in a wrapper."""
    for tap in ("module.0", "0"):
        model = Named(head=False)
        loss, term = step(build(model, taps=tap), model, images())
        (loss + term).backward()


def test_a_wrapper_may_be_named_too() -> None:
    model = network()
    for tap in ("0", "module.0", "module.module.0"):
        augself = build(HandsOn(nn.DataParallel(model)), taps=tap)
        assert step(augself, model, images())[1] > 0


def test_an_unknown_tap_is_told_the_networks_own_children() -> None:
    for wrap in WRAPPERS.values():
        with pytest.raises(LossError, match=r"of Named, .*children are \['module', 'head'\]"):
            build(wrap(Named()), taps="backbone")


def test_heads_are_found_beside_a_child_called_module() -> None:
    for wrap in WRAPPERS.values():
        model = Named()
        augself = build(model, taps="module")
        assert not InSync(augself, wrap(model))._held()
        model.augself = augself
        assert InSync(augself, model)._held()
        assert InSync(augself, HandsOn(model))._held()


def test_a_tap_that_is_no_name_is_refused() -> None:
    with pytest.raises(LossError, match="taps expected names"):
        build(Named(), taps=[["module"]])
