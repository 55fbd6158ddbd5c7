"""How a view's frame lies in the source image: flips and quarter turns, whatever their order.

Everything here holds for numbers (one sample) and for ``(B,)`` tensors (a batch) alike; no branch
looks into a tensor.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from augself_loss.encoders.base import Columns, Step, Value

Box: TypeAlias = tuple[Value, Value, Value, Value]
"""Top, left, height, width as fractions of an image."""


def choose(gate: Value, there: Value, otherwise: Value) -> Value:
    """Take ``there`` where the gate is 1 (or true) and ``otherwise`` where it is 0, exactly."""
    if not isinstance(gate, Tensor):
        return there if gate > 0.5 else otherwise
    return torch.where(gate if gate.dtype == torch.bool else gate > 0.5, there, otherwise)


def _is_zero(value: Value) -> bool:
    """Whether nothing touched it yet: still the literal 0, not a tensor."""
    return isinstance(value, float) and value == 0.0


class Frame:
    """The orientation reached so far, as ``quarter turns ∘ vertical flip ∘ horizontal flip``.

    Any order of flips and quarter turns equals one of this form: a flip that comes after k turns
    equals the flip first and then −k turns.

    Attributes:
        horizontal: 1 where mirrored left to right.
        vertical: 1 where mirrored top to bottom.
        turns: quarter turns counter-clockwise, 0…3.
    """

    def __init__(self) -> None:
        self.horizontal: Value = 0.0
        self.vertical: Value = 0.0
        self.turns: Value = 0.0

    @property
    def turned(self) -> bool:
        """Whether any step so far may have turned the frame."""
        return not _is_zero(self.turns)

    def flip(self, horizontal: Value, vertical: Value) -> None:
        """Add a flip (1 where applied) after everything so far."""
        self.horizontal = horizontal + self.horizontal - 2 * horizontal * self.horizontal
        self.vertical = vertical + self.vertical - 2 * vertical * self.vertical
        if self.turned:
            self.turns = (self.turns * (1 - 2 * horizontal) * (1 - 2 * vertical)) % 4

    def turn(self, quarters: Value) -> None:
        """Add quarter turns, counter-clockwise, after everything so far."""
        self.turns = (self.turns + quarters) % 4

    def to_source(self, box: Box) -> Box:
        """Find a box of this frame in the source's frame (fractions of a square, if turned)."""
        if self.turned:
            box = _turn_back(box, self.turns)
        return self._mirror(box)

    def from_source(self, box: Box) -> Box:
        """Find a box of the source's frame in this frame."""
        box = self._mirror(box)
        return _turn_back(box, (-self.turns) % 4) if self.turned else box

    def _mirror(self, box: Box) -> Box:
        top, left, height, width = box
        if not _is_zero(self.horizontal):
            left = choose(self.horizontal, 1 - left - width, left)
        if not _is_zero(self.vertical):
            top = choose(self.vertical, 1 - top - height, top)
        return top, left, height, width


def _turn_back(box: Box, turns: Value) -> Box:
    """Undo counter-clockwise quarter turns of the frame that a box is given in."""
    top, left, height, width = box
    one, two, three = ((turns == k) * 1.0 for k in (1, 2, 3))
    none, odd = 1 - one - two - three, one + three
    below, beside = 1 - top - height, 1 - left - width
    return (
        none * top + one * left + two * below + three * beside,
        none * left + one * below + two * beside + three * top,
        choose(odd, width, height),
        choose(odd, height, width),
    )


def inside(outer: Box, inner: Box) -> Box:
    """Find a box given as fractions of ``outer`` in the frame that ``outer`` is given in."""
    top, left, height, width = outer
    return (
        top + inner[0] * height,
        left + inner[1] * width,
        inner[2] * height,
        inner[3] * width,
    )


class Placed:
    """Where a view lies in its source: a draft of a record of which only that is kept.

    Attributes:
        frame: how the view is mirrored and turned.
        shown: the part of the source that it shows, as fractions.
    """

    def __init__(self) -> None:
        self.frame = Frame()
        self.shown: Box = (0.0, 0.0, 1.0, 1.0)

    @property
    def box(self) -> Columns:
        """The part of the source that it shows."""
        return self.shown

    @property
    def horizontal(self) -> Value:
        """1 where mirrored left to right."""
        return self.frame.horizontal

    @property
    def vertical(self) -> Value:
        """1 where mirrored top to bottom."""
        return self.frame.vertical

    @property
    def turns(self) -> Value:
        """Quarter turns counter-clockwise."""
        return self.frame.turns

    def flip(self, horizontal: Value, vertical: Value) -> None:
        """Mirror the view, where 1."""
        self.frame.flip(horizontal, vertical)

    def turn(self, quarters: Value, step: Step) -> None:  # noqa: ARG002
        """Turn the view counter-clockwise."""
        self.frame.turn(quarters)

    def from_source(self, box: Columns) -> Columns:
        """Find a box of the source in the view's frame."""
        top, left, height, width = box
        return self.frame.from_source((top, left, height, width))

    def crop(self, box: Columns, step: Step, gate: Value) -> None:
        """Cut a box out of the view: not looked at."""

    def written(self, name: str) -> Columns | None:  # noqa: ARG002
        """Look at an entry: none is kept."""
        return None

    def write(self, name: str, columns: Columns, step: Step, gate: Value) -> None:
        """Write an entry: none is kept."""

    def rewrite(self, name: str, columns: Columns, gate: Value) -> None:
        """Write over an entry: none is kept."""
