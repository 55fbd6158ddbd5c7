"""Grayscale."""

from __future__ import annotations

from collections.abc import Mapping

from augself_loss.encoders.base import Columns, Draft, Step, Value
from augself_loss.encoders.binary import BinaryEncoder, applied


class GrayscaleEncoder(BinaryEncoder):
    """Grayscale: 1 where the view has lost its colour. Target as for the flip.

    Always-on ``Grayscale`` counts too, and ``RGB`` of an image without colour. An image of one
    channel that keeps it has nothing to lose: 0. By which formula the colour goes is not told.
    """

    name = "grayscale"
    columns = ("grayscale",)
    settles = True

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:  # noqa: ARG002
        """Lost twice is lost: either step says it."""
        before, now = (draft.written(entry) or (0.0,))[0], columns[0] * gate
        draft.rewrite(entry, (before + now - before * now,), 1.0)

    @staticmethod
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        made = step.config.get("num_output_channels", step.channels)
        return {"grayscale": (0.0 if step.channels == made == 1 else 1.0,)}

    @staticmethod
    def _read_rgb(step: Step) -> Mapping[str, Columns]:
        return {"grayscale": (1.0 if step.channels == 1 else 0.0,)}

    @staticmethod
    def _read_to_gray(step: Step) -> Mapping[str, Columns]:
        return {"grayscale": (0.0 if step.channels == 1 else 1.0,)}

    kornia = {"RandomGrayscale": applied("grayscale")}
    torchvision = {"RandomGrayscale": _read_torchvision, "Grayscale": _read_torchvision,
                   "RGB": _read_rgb}  # fmt: skip
    albumentations = {"ToGray": _read_to_gray, "ToRGB": _read_rgb}
    kornia_writers = {"RandomGrayscale": lambda _entries, _step: {}}
    albumentations_writers = {name: lambda _entries, _step: {} for name in ("ToGray", "ToRGB")}
