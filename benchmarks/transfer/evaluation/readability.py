"""Readability: what pairs of features know of how their views were made."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from augself_loss import Encoder, Record
from augself_loss.diagnostics import Probe, read_parameters
from augself_loss.recording.multiview import Recorder
from transfer.data.sets import Task
from transfer.evaluation.features import AS_THEY_ARE, Inputs, as_floats, embed, frozen, rows_of
from transfer.evaluation.folds import evenly
from transfer.evaluation.settings import EvaluationSettings

CHUNK = 250
"""Pictures that are augmented at a time. Another number draws other views."""


class Pairs(NamedTuple):
    """Features of two views of pictures, the records of both, and which part is to score on.

    Args:
        features1: ``(N, D)``; all views of one picture follow each other.
        features2: ``(N, D)``.
        record1: entries ``(N, columns)``.
        record2: likewise.
        test_fraction: part at the end whose pictures are not among the others.
    """

    features1: Tensor
    features2: Tensor
    record1: Record
    record2: Record
    test_fraction: float


def view_pairs(
    backbone: nn.Module,
    held_out: Task,
    recorder: Recorder,
    *,
    settings: EvaluationSettings,
    inputs: Inputs = AS_THEY_ARE,
) -> Pairs:
    """Make pairs of views of pictures that no method trained on, and compute their features.

    The views follow from ``settings.seed`` alone, so all networks see the same; the caller's
    random numbers go on as if nothing had been drawn. Few pictures are seen in several pairs.

    Args:
        backbone: maps float ``(B, 3, S, S)`` to ``(B, D)``.
        held_out: its first fold says which pictures to fit on (``train`` and ``val``) and which to
            score on (``test``).
        recorder: makes views of a batch and their record, e.g. a ``KorniaRecorder`` of the
            training's pipeline.
        settings: number of pairs, seed.
        inputs: normalization and device; the views' size is the recorder's.
    """
    fit, test = _chosen(held_out, settings)
    repeats = max(1, settings.pairs // (len(fit) + len(test)))
    rows = torch.cat([fit, test]).repeat_interleave(repeats)
    parts: list[tuple[Tensor, Tensor, Record, Record]] = []
    devices = [inputs.device] if torch.device(inputs.device).type == "cuda" else []
    with torch.random.fork_rng(devices), frozen(backbone):
        for number, chunk in enumerate(torch.split(rows, CHUNK)):
            floats = as_floats(rows_of(held_out.pictures, chunk.tolist()), inputs.device)
            # A seed per chunk: what a network draws itself does not change the next views.
            torch.manual_seed(settings.seed * 1_000_003 + number)
            (views1, record1), (views2, record2) = recorder(floats), recorder(floats)
            features1, features2 = (embed(backbone, v, inputs) for v in (views1, views2))
            parts.append((features1, features2, record1, record2))
    all1, all2, records1, records2 = zip(*parts, strict=True)
    return Pairs(
        torch.cat(all1),
        torch.cat(all2),
        _joined(records1),
        _joined(records2),
        len(test) / (len(fit) + len(test)),
    )


def readability(pairs: Pairs, encoder: Encoder, probe: Probe = "ridge") -> dict[str, Any]:
    """Read one type's parameters from pairs of features, whether or not they were trained to.

    Differences of crops are in the frame of the first view, mirrored where that is flipped.

    Args:
        pairs: of features.
        encoder: of the type.
        probe: linear (``ridge``), or a small MLP (``mlp``).

    Returns:
        ``metric`` (R2 or accuracy), ``value``, ``baseline`` and ``columns``, of
        :class:`augself_loss.diagnostics.Readout`.
    """
    read = read_parameters(
        pairs.features1,
        pairs.features2,
        pairs.record1,
        pairs.record2,
        [encoder],
        test_fraction=pairs.test_fraction,
        probe=probe,
    )
    return read[encoder.name]._asdict()


def _chosen(held_out: Task, settings: EvaluationSettings) -> tuple[Tensor, Tensor]:
    """Rows to fit on and to score on: all, or evenly chosen where there are more than pairs."""
    fold = held_out.folds[0]
    parts = torch.cat([fold.train, fold.val]).sort().values, fold.test.sort().values
    share = min(1.0, settings.pairs / sum(map(len, parts)))
    fit, test = (part[evenly(len(part), max(1, int(len(part) * share)))] for part in parts)
    return fit, test


def _joined(records: tuple[Record, ...]) -> Record:
    return {name: torch.cat([record[name] for record in records]).cpu() for name in records[0]}
