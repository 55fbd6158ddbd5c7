"""Writes down step after step and settles them into one record, in the source image's frame."""

from __future__ import annotations

from collections.abc import Mapping

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.errors import PipelineError
from augself_loss.parameters import Layout
from augself_loss.recording.frame import Box, Frame, choose, inside

FLIPS = {"flip": (1.0, 0.0), "vertical_flip": (0.0, 1.0)}


class Journal:
    """The steps of one call of a pipeline, for one sample (numbers) or a batch (tensors).

    Args:
        layout: the entries to write.
        encoders: type name → encoder, for those whose columns a later flip mirrors.
    """

    def __init__(self, layout: Layout, encoders: Mapping[str, Encoder]) -> None:
        self.layout = layout
        self.encoders = encoders
        self.frame = Frame()
        self.box: Box = (0.0, 0.0, 1.0, 1.0)
        self.columns: dict[str, list[Value]] = {}
        self.touched: set[tuple[str, int]] = set()

    def add(self, step: Step, entries: Mapping[str, Columns], gate: Value = 1.0) -> None:
        """Write down what a step did.

        Args:
            step: the step, for its name and the size of its image.
            entries: what the encoders read from it.
            gate: 1, or true, where it was applied.

        Raises:
            PipelineError: two steps write the same column, or a quarter turn, or a crop after
                one, works on an image that is not square.
        """
        for name, values in entries.items():
            if name in FLIPS:
                horizontal, vertical = FLIPS[name]
                self._flip(horizontal * values[0] * gate, vertical * values[0] * gate)
            elif name == "rotation":
                self._turn(step, values[0] * gate)
            elif name == "rotation_applied":
                before = self.columns.get(name, [0.0, 0.0])
                pairs = zip(values, before, strict=True)
                self.columns[name] = [choose(gate, new, old) for new, old in pairs]
            elif name == "grayscale":  # lost twice is lost: either step says it
                before, now = self.columns.get(name, [0.0])[0], values[0] * gate
                self.columns[name] = [before + now - before * now]
            elif name == "crop":
                self._crop(step, values, gate)
            elif name in self.layout:
                self._write(step, name, values, gate)

    def settle(self) -> dict[str, list[Value]]:
        """Return every entry of the layout as a list of columns."""
        placed: dict[str, list[Value]] = {
            **self.columns,
            "crop": list(self.box),
            "flip": [self.frame.horizontal],
            "vertical_flip": [self.frame.vertical],
            "rotation": [self.frame.turns],
        }
        return {name: placed.get(name, list(f.identity)) for name, f in self.layout.items()}

    def _flip(self, horizontal: Value, vertical: Value) -> None:
        self.frame.flip(horizontal, vertical)
        for name in self.columns:
            if name in self.encoders:
                mirrored = self.encoders[name].mirror(
                    tuple(self.columns[name]), horizontal, vertical
                )
                self.columns[name] = list(mirrored)

    def _turn(self, step: Step, quarters: Value) -> None:
        fixed = step.config.get("degrees", (90, 90))[0]
        whole = step.size[0] == step.size[1] or step.config.get("expand") or fixed % 180 == 0
        if not whole or step.config.get("center") is not None:
            raise PipelineError(
                f"'{step.name}' turns an image of {step.size} by quarters on its old canvas, which "
                "cuts it: what is left of the source is no turned box. Crop to a square first and "
                "turn about its centre, or leave the turn out of the record with ignore=[...]."
            )
        self.frame.turn(quarters)

    def _crop(self, step: Step, values: Columns, gate: Value) -> None:
        if self.frame.turned and step.size[0] != step.size[1]:
            raise PipelineError(
                f"'{step.name}' crops an image of {step.size} after a quarter turn: its box in the "
                "source is only known for square images. Crop first and turn then."
            )
        top, left, height, width = values
        box = self.frame.to_source((top, left, height, width))
        identity = (0.0, 0.0, 1.0, 1.0)
        gated = tuple(choose(gate, v, i) for v, i in zip(box, identity, strict=True))
        self.box = inside(self.box, gated)

    def _write(self, step: Step, name: str, values: Columns, gate: Value) -> None:
        identity = self.layout[name].identity
        columns = self.columns.setdefault(name, list(identity))
        for i, value in enumerate(values):
            if value is None:
                continue
            if (name, i) in self.touched:
                raise PipelineError(
                    f"'{step.name}' sets {self.layout[name].columns[i]} of '{name}' a second time "
                    "in one call; a record holds one value. Merge the two steps, or leave one out "
                    "of the record with ignore=[...]."
                )
            self.touched.add((name, i))
            columns[i] = choose(gate, value, identity[i])
