"""Horizontal flip."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from augself_loss.encoders.base import Columns, Draft, Motion, Step, Value
from augself_loss.encoders.binary import BinaryEncoder, applied
from augself_loss.encoders.maps import Canvas, as_matrix


class FlipEncoder(BinaryEncoder):
    """Horizontal flip: 1 where the view is mirrored left to right.

    Target 1 where the two views are the same, else 0 (method: flip, BCE with logits).
    """

    name = "flip"
    columns = ("flip",)
    moves: Motion | None = "mirror"
    settles = True

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:  # noqa: ARG002
        """Mirror the view."""
        draft.flip(columns[0] * gate, 0.0)

    def settled(self, draft: Draft) -> Columns:
        """Whether the view is mirrored in the end."""
        return (draft.horizontal,)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Mirror once more, left to right."""
        return as_matrix(1 - 2 * record[self.name].squeeze(-1), 0.0, 0.0, 0.0, 1.0, 0.0)

    kornia = {"RandomHorizontalFlip": applied("flip")}
    torchvision = {"RandomHorizontalFlip": applied("flip")}
    albumentations = {"HorizontalFlip": applied("flip")}
    kornia_writers = {"RandomHorizontalFlip": lambda _entries, _step: {}}
    albumentations_writers = {"HorizontalFlip": lambda _entries, _step: {}}
