"""Compares fused forms with Kornia, once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from augself_loss.errors import PipelineError
from augself_loss.recording.kornia.fused.block import moved
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Operation
from augself_loss.recording.kornia.fused.products import in_full


def check_agreement(
    form: Operation, group: Sequence[Drawn], images: Tensor, *, by_graph: bool
) -> None:
    """Apply augmentations to all rows in both ways, and compare.

    Args:
        form: their fused form.
        group: the augmentations.
        images: ``(B, C, H, W)``, what they are about to be applied to.
        by_graph: whether to work in compiled graphs.

    Raises:
        PipelineError: a pixel differs by more than the form's tolerance.
    """
    everywhere = [_everywhere(drawn) for drawn in group]
    prepared = form.prepare(everywhere, Form.of(images, by_graph=by_graph))
    tensors = prepared.tensors()
    copies = moved(list(tensors.values()), images.device)
    ours = form.apply(images.clone(), prepared.holding(dict(zip(tensors, copies, strict=True))))
    with in_full():
        theirs = images
        for module, params in everywhere:
            theirs = module(theirs, params=params)
    for module, params in group:
        module._params = params
    names = " and ".join(f"'{type(module).__name__}'" for module, _ in group)
    if ours.shape != theirs.shape:
        raise _disagreement(
            names, f"views of shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
        )
    far = (ours - theirs).abs()
    most, tolerance = float(far.max()), form.tolerance(images.shape[-1])
    if not most <= tolerance:  # NaN is no agreement
        count = int((~(far <= tolerance)).sum())
        found = f"{count} of {far.numel()} values further off, by up to {most:.2g}"
        raise _disagreement(names, found, tolerance)


def _everywhere(drawn: Drawn) -> Drawn:
    gate = torch.ones_like(drawn.params["batch_prob"])
    return Drawn(drawn.module, {**drawn.params, "batch_prob": gate})


def _disagreement(names: str, found: str, tolerance: float = 1e-5) -> PipelineError:
    return PipelineError(
        f"Expected the fused form of {names} to agree with Kornia within {tolerance:.1g} on the "
        f"first batch, found {found}. Use KorniaRecorder(pipeline) without apply='fused', and "
        "report the versions of kornia and torch."
    )
