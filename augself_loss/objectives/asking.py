"""Where a projector that is given features alone finds their views' record: at the host's step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor

from augself_loss.errors import RecordError
from augself_loss.parameters import Record

RecordOf: TypeAlias = Callable[[Tensor], Record]
"""Says of features ``(B, D)`` which record they have, row by row."""


class _Step(threading.local):
    record_of: RecordOf | None = None


_step = _Step()


@contextmanager
def answering(record_of: RecordOf) -> Iterator[None]:
    """Let projectors in this block, and in this thread, find their records.

    Args:
        record_of: says of features which record they have.
    """
    before, _step.record_of = _step.record_of, record_of
    try:
        yield
    finally:
        _step.record_of = before


@torch.compiler.disable  # type: ignore[untyped-decorator]
def record_of(features: Tensor) -> Record:
    """Find the record of the views that features are of.

    Raises:
        RecordError: no step runs that knows them.
        FeatureError: they are no features that its taps returned.
    """
    if _step.record_of is None:
        raise RecordError(
            "ConditionedProjector expected the record of its view, found none: it was called "
            "outside of a training step that knows its views. Call it with the record, "
            "projector(features, record); or let add_objective (Lightning) or PlainStep (a loop of "
            "your own) know the model's views. To project views without augmentation, pass "
            "identity_record(recorder.layout, len(features))."
        )
    return _step.record_of(features)
