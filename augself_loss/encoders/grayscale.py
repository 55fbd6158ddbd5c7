"""Grayscale."""

from __future__ import annotations

from collections.abc import Mapping

from augself_loss.encoders.base import Columns, Draft, Step, Value
from augself_loss.encoders.binary import BinaryEncoder, applied
from augself_loss.encoders.in_place import Image, InPlace, Params, Row, Starts


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
    def _read_always(step: Step) -> Mapping[str, Columns]:
        made = step.config["num_output_channels"]
        return {"grayscale": (0.0 if step.channels == made == 1 else 1.0,)}

    @staticmethod
    def _read_rgb(step: Step) -> Mapping[str, Columns]:
        return {"grayscale": (1.0 if step.channels == 1 else 0.0,)}

    @staticmethod
    def _place(row: Row, starts: Starts, params: Params, image: Image) -> None:  # noqa: ARG004
        row[starts["grayscale"]] = 0.0 if image.channels == 1 else 1.0

    _to_gray = InPlace(_place, grayscale=1)
    kornia = {"RandomGrayscale": applied("grayscale")}
    torchvision = {"RandomGrayscale": _to_gray, "Grayscale": _read_always, "RGB": _read_rgb}
    albumentations = {"ToGray": _to_gray, "ToRGB": _read_rgb}
    kornia_writers = {"RandomGrayscale": lambda _entries, _step: {}}
    albumentations_writers = {name: lambda _entries, _step: {} for name in ("ToGray", "ToRGB")}
