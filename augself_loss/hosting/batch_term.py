"""The term of a host whose batches hold the views at some place, made by workers or there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from augself_loss.hosting.batches import Place
from augself_loss.hosting.term import Term
from augself_loss.recording.multiview import MultiViewRecorder


@dataclass
class BatchTerm(Term):
    """A term whose step is given a batch.

    Args:
        place: where in the batch the views are.
        device_recorder: augments batches on the device, or ``None`` where workers did.
        log: prefix of what is logged, or ``None``.

    Attributes:
        evaluating: whether the host evaluates; a step that runs then has no term.
    """

    place: Place = Place()  # noqa: RUF009
    device_recorder: MultiViewRecorder | None = None
    log: str | None = "augself"
    evaluating: bool = False

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Say that the host evaluates in this block, whatever it calls."""
        before, self.evaluating = self.evaluating, True
        try:
            yield
        finally:
            self.evaluating = before

    def stripped(self, batch: Any) -> Any:
        """Take off a batch what the host's own step does not see: records, and a third view."""
        return self.place.stripped(batch, None if self.third is None else self.third.number)

    def separate(self, batch: Any, hint: str = "") -> tuple[Any, list[Tensor]]:
        """Take the records off the batch, and keep them; return the batch and the views.

        Args:
            batch: of recorded images.
            hint: see :meth:`~augself_loss.hosting.batches.Place.views`.

        Raises:
            RecordError: no views there, no records, or those of another recorder.
        """
        alone = self.take(self.place.views(batch, hint))
        return self.place.put(batch, alone), alone
