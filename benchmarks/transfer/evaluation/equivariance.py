"""Equivariance: do a change's parameters tell how the features change?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss import diagnostics
from augself_loss.diagnostics import Replays, Transformed, transformed
from transfer.data.sets import Task
from transfer.evaluation.features import AS_THEY_ARE, Inputs, as_floats, embed, frozen, rows_of
from transfer.evaluation.folds import evenly
from transfer.evaluation.settings import EvaluationSettings

CHUNK = 250
"""Pictures that are augmented at a time. Another number draws other views."""


def changed_views(
    backbone: nn.Module,
    held_out: Task,
    recorder: Replays,
    *,
    settings: EvaluationSettings,
    inputs: Inputs = AS_THEY_ARE,
) -> tuple[dict[str, Transformed], dict[str, Transformed]]:
    """Compute features of views, and of others that differ in one type of augmentation alone.

    The views follow from ``settings.seed`` alone, so all networks see the same.

    Args:
        backbone: maps float ``(B, 3, S, S)`` to ``(B, D)``.
        held_out: its first fold says which pictures to fit on (``train`` and ``val``) and which to
            score on (``test``).
        recorder: makes views of a batch and replays records.
        settings: how many pictures and views, seed.
        inputs: normalization and device; the views' size is the recorder's.

    Returns:
        By type: pictures to fit a predictor on, with one other view each, and pictures to rank
        its predictions on. Types whose parameters are numbers.
    """
    fold, seed = held_out.folds[0], settings.seed
    known, test = torch.cat([fold.train, fold.val]).sort().values, fold.test.sort().values
    fit = known[evenly(len(known), settings.fitted)]
    # What chooses the predictor's regularization comes from the end: it shall hold all kinds.
    fit = fit[torch.randperm(len(fit), generator=torch.Generator().manual_seed(seed))]
    asked = test[evenly(len(test), settings.ranked)]
    types = [encoder.name for encoder in recorder.encoders if encoder.kind == "regression"]

    def made(rows: Tensor, candidates: int, seed: int) -> dict[str, Transformed]:
        return transformed(
            lambda views: embed(backbone, views, inputs),
            recorder,
            _batches(held_out, rows, inputs),
            types=types,
            candidates=candidates,
            seed=seed,
        )

    with frozen(backbone):
        return made(fit, 1, 2 * seed), made(asked, settings.candidates, 2 * seed + 1)


def equivariance(fit: Transformed, test: Transformed) -> dict[str, Any]:
    """Find views among others of their picture by their predicted features.

    Returns:
        ``mrr``, ``hit@1`` and ``hit@5``; the same by ``chance``; ``candidates``, how many there
        are on average; ``fitted`` and ``ranked``, how many pictures.
    """
    result = diagnostics.equivariance(fit, test)
    return {
        **_named(result.found),
        "chance": _named(result.chance),
        "candidates": result.candidates,
        "fitted": len(fit.features),
        "ranked": len(test.features),
    }


def _named(ranks: diagnostics.Ranks) -> dict[str, float]:
    return {"mrr": ranks.mrr, "hit@1": ranks.hit1, "hit@5": ranks.hit5}


def _batches(held_out: Task, rows: Tensor, inputs: Inputs) -> Iterator[Tensor]:
    for chunk in torch.split(rows, CHUNK):
        yield as_floats(rows_of(held_out.pictures, chunk.tolist()), inputs.device)
