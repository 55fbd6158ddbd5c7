"""Finds what a Kornia pipeline drew, step by step: in its last call, or without a call at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kornia.augmentation import ImageSequential
from torch import nn

from augself_loss.recording.kornia.wiring import Wiring


def applied(
    wiring: Wiring, module: nn.Module, params: Any = None
) -> Iterator[tuple[nn.Module, Mapping[str, Any]]]:
    """List the recorded modules that ran, with their parameters, in order.

    A container's own list is read where it has one: a child that ``random_apply`` did not choose
    still holds the parameters of an earlier call.

    Args:
        wiring: what was found in the pipeline.
        module: the pipeline, or a part of it.
        params: what was drawn for it, in Kornia's form; by default in its last call.
    """
    if wiring.is_ignored(module):
        return
    if module in wiring.config:
        own: Any = module._params if params is None else params
        yield module, own
    elif isinstance(module, ImageSequential):
        children = dict(module.named_children())
        for item in module._params if params is None else params:
            yield from applied(wiring, children[item.name], item.data)
    elif isinstance(module, nn.Sequential):
        for child in module.children():
            yield from applied(wiring, child)


def draws_at_once(wiring: Wiring, module: nn.Module) -> bool:
    """Whether Kornia draws all that a pipeline does before it does any of it.

    A plain ``nn.Sequential`` draws for one child after another, and what is not Kornia's may draw
    whenever it likes.

    Args:
        wiring: what was found in the pipeline.
        module: the pipeline, or a part of it.
    """
    if module in wiring.config:
        return hasattr(module, "forward_parameters")
    if module in wiring.fixed:
        return True
    inside = module.children() if module in wiring.containers else ()
    return isinstance(module, ImageSequential) and all(draws_at_once(wiring, m) for m in inside)
