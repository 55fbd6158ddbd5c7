"""Applies what was drawn: prepares all of it, moves it in one copy, then works on the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import torch
from torch import Tensor

from augself_loss.autocast import is_autocast
from augself_loss.recording.kornia.fused.agree import check_agreement
from augself_loss.recording.kornia.fused.block import moved
from augself_loss.recording.kornia.fused.choose import form_of
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Operation, Prepared

Passenger: TypeAlias = Callable[[Tensor], Tensor]
"""Images as they are → a tensor of the host that travels to their device with the parameters."""


def applied(
    images: Tensor, drawn: Sequence[Drawn], passenger: Passenger, *, by_graph: bool, check: bool
) -> tuple[Tensor, Tensor]:
    """Apply augmentations that all have a fused form.

    Args:
        images: float32 ``(B, C, H, W)``, not written into.
        drawn: the augmentations, in order.
        passenger: what travels with them.
        by_graph: whether to work in compiled graphs.
        check: whether to compare each with Kornia's.

    Returns:
        New images, and the passenger on their device.

    Raises:
        PipelineError: a form disagrees with Kornia.
    """
    groups = list(_grouped(drawn))
    with torch.no_grad(), _no_autocast(images.device):
        prepared = _prepared(images, groups, by_graph=by_graph)
        tensors = [tensor for one in prepared for tensor in one.tensors().values()]
        *copies, carried = moved([*tensors, passenger(images)], images.device)
        ours, rest = False, iter(copies)
        for (form, group), one in zip(groups, prepared, strict=True):
            there = one.holding({name: next(rest) for name in one.tensors()})
            if check:
                check_agreement(form, group, images, by_graph=by_graph)
            if not one.acts:
                continue
            if not (ours or form.makes_new):
                images = images.clone()
            images, ours = form.apply(images, there), True
    return images if ours else images.clone(), carried


def _grouped(drawn: Sequence[Drawn]) -> Iterator[tuple[Operation, list[Drawn]]]:
    """Join what may be applied as one."""
    rest = list(drawn)
    while rest:
        group = [rest.pop(0)]
        form = form_of(group[0].module)
        assert form is not None
        while rest and form.joins([*group, rest[0]]):
            group.append(rest.pop(0))
        yield form, group


def _prepared(
    images: Tensor, groups: Sequence[tuple[Operation, list[Drawn]]], *, by_graph: bool
) -> list[Prepared]:
    form = Form.of(images, by_graph=by_graph)
    prepared = []
    for operation, group in groups:
        prepared.append(operation.prepare(group, form))
        form = form.sized(operation.size(group, form.size))
    return prepared


def _no_autocast(device: torch.device) -> AbstractContextManager[object]:
    if is_autocast(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
