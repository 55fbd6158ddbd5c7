"""Takes a record apart again: what each step of a pipeline did, in the frame of its own image."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError
from augself_loss.parameters import Layout, Record
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.frame import Placed


class Unsettled:
    """A record that is given back to its steps, in the pipeline's order.

    Args:
        record: it, entries ``(B, columns)``.
        layout: its entries.
        catalogue: the encoders that read the steps.
        steps: all that are recorded, as they are built.

    Attributes:
        left: the types of the steps that did not yet have their turn.

    Raises:
        PipelineError: several steps are recorded as one.
    """

    def __init__(
        self, record: Record, layout: Layout, catalogue: Catalogue, steps: Iterable[Step]
    ) -> None:
        self.record, self.layout, self.catalogue = record, layout, catalogue
        self.reached = Placed()
        self.left = [catalogue.type_of(step) for step in steps]
        repeated = {name for name in self.left if self.left.count(name) > 1}
        if repeated:
            raise PipelineError(
                "replay expected at most one step of each type, found several of "
                f"{sorted(repeated)}: a record only holds their total. Merge them into one step."
            )

    def next(
        self, step: Step, *, at_random: str | None = None
    ) -> tuple[str, dict[str, Columns], Tensor]:
        """Say what the next step did: its type, its entries in its own frame, its gate.

        Args:
            step: the step, as it is built.
            at_random: how it is applied at random, for the message; ``None`` if it always is.

        Raises:
            PipelineError: whether it was applied is not in the record.
        """
        name = self.left.pop(0)
        encoder = self.catalogue.encoders[name]
        if at_random is not None and not encoder.tells_applied:
            raise PipelineError(
                f"replay expected {step.name} to be applied always, found {at_random}: the record "
                "does not hold whether it was applied. Build it with p=1."
            )
        entries = self._as_given(encoder, step)
        for entry, columns in entries.items():
            encoder.act(self.reached, step, entry, columns, 1.0)
        return name, entries, self._gate(name, entries)

    def _as_given(self, encoder: Encoder, step: Step) -> dict[str, Columns]:
        """Take a type's entries from the source's frame back to the frame of their step."""
        entries: dict[str, Columns] = {
            entry: self.record[entry].unbind(-1) for entry in encoder.fields if entry in self.record
        }
        after = Placed()
        for later in (self.catalogue.encoders[name] for name in self.left):
            if later.moves == "mirror":
                later.act(after, step, later.name, self.record[later.name].unbind(-1), 1.0)
        given = encoder.as_given(entries[encoder.name], self.reached, after)
        return {**entries, encoder.name: given}

    def _gate(self, name: str, entries: dict[str, Columns]) -> Tensor:
        """Find where a type was applied: where the record says so, or is not the identity."""
        if not self.catalogue.encoders[name].tells_applied:
            return torch.ones_like(entries[name][0])  # applied to all or none, and p is 1
        if f"{name}_applied" in entries:
            said: Tensor = entries[f"{name}_applied"][0]
            return said
        identity = self.layout[name].identity
        moved = [v != i for v, i in zip(entries[name], identity, strict=True)]
        return torch.stack(moved).any(dim=0).float()
