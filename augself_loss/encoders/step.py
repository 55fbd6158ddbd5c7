"""What encoders are told of a pipeline's step, and what they make of a record on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

Motion: TypeAlias = Literal["mirror", "turn", "crop", "warp"]
"""How a type moves pixels: mirrors, turns by quarters, cuts out a box, or maps them otherwise."""
Value: TypeAlias = Any
"""One column's value: a float, a ``(B,)`` tensor, or a 0-d tensor shared by the batch."""
Columns: TypeAlias = tuple[Value, ...]
"""An entry's columns; ``None`` where a step does not touch the column."""


class Seen(NamedTuple):
    """What an encoder may ask of the image that a transform was given.

    Args:
        size: height and width in pixels.
        white: brightest value of its dtype or mode.
        channels: number of channels, 1 where it has no colour.
    """

    size: tuple[int, int]
    white: float
    channels: int


class Step(NamedTuple):
    """What one transform of a pipeline did: plain names and numbers, nothing of the host.

    Args:
        name: the transform's class name.
        params: what was sampled, under the host's own names.
        config: how the transform was built: ranges, sizes, fixed factors.
        size: height and width of the image it was given, in pixels.
        white: brightest value of that image's dtype: 1 of floats, 255 of uint8 and of most PIL
            images.
        channels: number of channels of that image, 1 where it has no colour.
    """

    name: str
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    size: tuple[int, int]
    white: float = 1.0
    channels: int = 3


class Draft(Protocol):
    """A record that is being written step by step, and where the view lies in its source by now."""

    @property
    def horizontal(self) -> Value:
        """1 where the view is mirrored left to right so far."""

    @property
    def vertical(self) -> Value:
        """1 where it is mirrored top to bottom."""

    @property
    def turns(self) -> Value:
        """Quarter turns so far, counter-clockwise, after the mirroring."""

    @property
    def box(self) -> Columns:
        """The part of the source that it shows: top, left, height, width as fractions."""

    def flip(self, horizontal: Value, vertical: Value) -> None:
        """Mirror the view, where 1."""

    def turn(self, quarters: Value, step: Step) -> None:
        """Turn the view counter-clockwise."""

    def crop(self, box: Columns, step: Step, gate: Value) -> None:
        """Cut out of the view a box, given as fractions of it."""

    def from_source(self, box: Columns) -> Columns:
        """Find a box of the source, as fractions of it, in the view."""

    def written(self, name: str) -> Columns | None:
        """Look at an entry that earlier steps wrote."""

    def write(self, name: str, columns: Columns, step: Step, gate: Value) -> None:
        """Write an entry, each column once; not applied, it is the identity."""

    def rewrite(self, name: str, columns: Columns, gate: Value) -> None:
        """Write an entry over what earlier steps wrote; not applied, that stays."""


Reader: TypeAlias = Callable[[Step], Mapping[str, Columns]]
"""Turns a step into record entries."""
Writer: TypeAlias = Callable[[Mapping[str, Columns], Step], Mapping[str, Value]]
"""Turns record entries back into the parameters of one step, for replay."""
