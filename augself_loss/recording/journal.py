"""Writes down step after step and settles them into one record, in the source image's frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.errors import PipelineError
from augself_loss.parameters import Layout
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.frame import Placed, choose, inside


class Journal(Placed):
    """The steps of one call of a pipeline, for one sample (numbers) or a batch (tensors).

    Args:
        layout: the entries to write.
        catalogue: the encoders, which say what a step does to the record.
    """

    def __init__(self, layout: Layout, catalogue: Catalogue) -> None:
        super().__init__()
        self.layout = layout
        self.encoders, self.owners = catalogue.encoders, catalogue.owners
        self.columns: dict[str, Columns] = {}
        self.touched: set[tuple[str, int]] = set()

    def add(self, step: Step, entries: Mapping[str, Columns], gate: Value = 1.0) -> None:
        """Write down what a step did.

        Args:
            step: the step, for its name and the size of its image.
            entries: what the encoders read from it.
            gate: true where it was applied; of one sample 1: it is only noted where it was.

        Raises:
            PipelineError: two steps write the same column, or a quarter turn, or a crop after
                one, works on an image that is not square.
        """
        for name, columns in entries.items():
            owner = self.owners.get(name)
            if owner is not None:
                owner.act(self, step, name, columns, gate)
            else:
                self.write(name, columns, step, gate)

    def settle(self) -> dict[str, Sequence[Value]]:
        """Return every entry of the layout as its columns."""
        settled: dict[str, Sequence[Value]] = {}
        for name, field in self.layout.items():
            encoder = self.encoders.get(name)
            placed = None if encoder is None else encoder.settled(self)
            settled[name] = self.columns.get(name, field.identity) if placed is None else placed
        return settled

    def flip(self, horizontal: Value, vertical: Value) -> None:
        """Mirror the view, and with it what earlier steps wrote."""
        self.frame.flip(horizontal, vertical)
        for name, columns in self.columns.items():
            if name in self.encoders:
                self.columns[name] = self.encoders[name].mirror(columns, horizontal, vertical)

    def turn(self, quarters: Value, step: Step) -> None:
        """Turn the view counter-clockwise.

        Raises:
            PipelineError: what is left of the source is no turned box.
        """
        fixed = step.config.get("degrees", (90, 90))[0]
        whole = step.size[0] == step.size[1] or step.config.get("expand") or fixed % 180 == 0
        if not whole or step.config.get("center") is not None:
            raise PipelineError(
                f"'{step.name}' expected a square image, found {step.size}: a quarter turn on its "
                "old size cuts it, and no box describes what is left. Crop to a square first and "
                "rotate about its centre, or leave the rotation out of the record with "
                f"ignore=[{step.name}]."
            )
        self.frame.turn(quarters)

    def crop(self, box: Columns, step: Step, gate: Value) -> None:
        """Cut a box out of the view.

        Raises:
            PipelineError: the box in the source is not known.
        """
        if self.frame.turned and step.size[0] != step.size[1]:
            raise PipelineError(
                f"'{step.name}' expected a square image after a quarter turn, found {step.size}: "
                "otherwise its box in the source image is unknown. Crop first, then rotate."
            )
        top, left, height, width = box
        top, left, height, width = self.frame.to_source((top, left, height, width))
        if isinstance(gate, Tensor):  # of one image a step is only noted where it was applied
            top, left = choose(gate, top, 0.0), choose(gate, left, 0.0)
            height, width = choose(gate, height, 1.0), choose(gate, width, 1.0)
        self.shown = inside(self.shown, (top, left, height, width))

    def written(self, name: str) -> Columns | None:
        """Look at an entry that earlier steps wrote."""
        return self.columns.get(name)

    def write(self, name: str, columns: Columns, step: Step, gate: Value) -> None:
        """Write an entry, if the record holds it.

        Raises:
            PipelineError: an earlier step wrote one of its columns.
        """
        if name not in self.layout:
            return
        identity = self.layout[name].identity
        now = list(self.columns.get(name, identity))
        for i, value in enumerate(columns):
            if value is None:
                continue
            if (name, i) in self.touched:
                raise PipelineError(
                    f"Expected '{name}' to be set once per call, found that '{step.name}' sets "
                    f"its {self.layout[name].columns[i]} again: a record holds one value. Merge "
                    "the two steps, or leave one out of the record with ignore=[...]."
                )
            self.touched.add((name, i))
            now[i] = choose(gate, value, identity[i])
        self.columns[name] = tuple(now)

    def rewrite(self, name: str, columns: Columns, gate: Value) -> None:
        """Write an entry over what earlier steps wrote; where not applied, that stays."""
        if name not in self.layout:
            return
        if isinstance(gate, Tensor):
            before = self.columns.get(name, self.layout[name].identity)
            pairs = zip(columns, before, strict=True)
            columns = tuple(choose(gate, new, old) for new, old in pairs)
        self.columns[name] = columns
