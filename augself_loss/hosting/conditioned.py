"""Tells a module's conditioned projectors, while its step runs, which records features have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from augself_loss.objectives.cassle import ConditionedProjector, RecordOf


def conditioned(root: nn.Module) -> list[ConditionedProjector]:
    """List the conditioned projectors in a module, a momentum encoder's too."""
    return [module for module in root.modules() if isinstance(module, ConditionedProjector)]


@contextmanager
def telling(root: nn.Module, record_of: RecordOf, *, there: bool) -> Iterator[None]:
    """Let the projectors of a module ask for records in this block.

    Args:
        root: the host's module.
        record_of: says of features ``(N, D)`` which record they have, row by row.
        there: whether it is worth while to look for some.
    """
    told = conditioned(root) if there else []
    for projector in told:
        projector.record_of = record_of
        projector.answers.forget()
    try:
        yield
    finally:
        for projector in told:
            projector.record_of = None
