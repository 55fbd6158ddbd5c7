"""Vertical flip."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from augself_loss.encoders.base import Columns, Draft, Motion, Step, Value
from augself_loss.encoders.binary import BinaryEncoder, applied
from augself_loss.encoders.maps import Canvas, as_matrix


class VerticalFlipEncoder(BinaryEncoder):
    """Vertical flip: 1 where the view is mirrored top to bottom. Target as for the flip."""

    name = "vertical_flip"
    columns = ("vertical_flip",)
    moves: Motion | None = "mirror"
    settles = True

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:  # noqa: ARG002
        """Mirror the view."""
        draft.flip(0.0, columns[0] * gate)

    def settled(self, draft: Draft) -> Columns:
        """Whether the view is mirrored in the end."""
        return (draft.vertical,)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Mirror once more, top to bottom."""
        return as_matrix(1.0, 0.0, 0.0, 0.0, 1 - 2 * record[self.name].squeeze(-1), 0.0)

    kornia = {"RandomVerticalFlip": applied("vertical_flip")}
    torchvision = {"RandomVerticalFlip": applied("vertical_flip")}
    albumentations = {"VerticalFlip": applied("vertical_flip")}
    kornia_writers = {"RandomVerticalFlip": lambda _entries, _step: {}}
    albumentations_writers = {"VerticalFlip": lambda _entries, _step: {}}
