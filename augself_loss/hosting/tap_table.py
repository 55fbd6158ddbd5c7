"""What can be tapped, as rows that print as a table: name, shape, width, and the pool to use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from augself_loss.hosting.tap_paths import Vertex
from augself_loss.pooling import Patches, Pool


class Returned(NamedTuple):
    """What one call of a submodule returned.

    Args:
        name: the submodule's.
        shape: of the features.
        vertex: where they are in the graph.
        prefix: how many tokens stand before the patches, if these are tokens and it shows.
    """

    name: str
    shape: tuple[int, ...]
    vertex: Vertex
    prefix: int | None


class FoundTap(NamedTuple):
    """A submodule whose output can be tapped.

    Args:
        name: for ``taps=``.
        shape: what it returned for the batch.
        kind: ``vectors`` ``(B, D)``, ``maps`` or ``tokens``.
        width: for ``feature_dim=``.
        pool: for ``pool=``; of tokens the mean over the patches.
        note: what could not be seen from the batch, ``""`` where nothing is open.
    """

    name: str
    shape: tuple[int, ...]
    kind: Literal["vectors", "maps", "tokens"]
    width: int
    pool: Pool | None
    note: str = ""


class FoundTaps(list[FoundTap]):
    """Rows in the order in which the submodules return; a list that prints as a table."""

    def __repr__(self) -> str:
        """Print as a table."""
        head = [("taps", "shape", "kind", "feature_dim", "pool", "")]
        rows = head + [
            (tap.name, str(tap.shape), tap.kind, str(tap.width), repr(tap.pool), tap.note)
            for tap in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        if any(tap.kind == "tokens" for tap in self):
            lines.append(
                "Of tokens, pool='cls' takes the first: the class token, where there is one."
            )
        return "\n".join(lines)


def wholes(calls: Sequence[Returned], through: set[Vertex]) -> list[Returned]:
    """Keep the calls that a result went through, each tensor under its shortest name.

    Args:
        calls: in their order.
        through: the tensors that all of a result went through.
    """
    best: dict[Any, Returned] = {}
    for call in calls:
        known = best.get(call.vertex)
        if known is None or call.name.count(".") < known.name.count("."):
            best[call.vertex] = call
    names = {call.name for spot, call in best.items() if spot in through}
    return [call for call in calls if call.name in names]


def read_shape(call: Returned, images: Sequence[int]) -> FoundTap | None:
    """Say what features are, and how they become one vector; ``None`` where they are none.

    Args:
        call: what a submodule returned.
        images: the images' shape.
    """
    shape = call.shape
    if shape[0] != images[0] or 0 in shape or len(shape) > 5:
        return None
    if len(shape) == 2:
        return FoundTap(call.name, shape, "vectors", shape[1], None)
    if len(shape) == 3:
        return _tokens(call)
    return _maps(call, images[2:] if len(images) > 3 else ())


def _tokens(call: Returned) -> FoundTap:
    prefix, note = call.prefix, ""
    if prefix is None:
        note = "mean takes all tokens: which of them are patches is unknown"
    pool: Pool = Patches(prefix) if prefix else "mean"
    return FoundTap(call.name, call.shape, "tokens", call.shape[2], pool, note)


def _maps(call: Returned, places: Sequence[int]) -> FoundTap | None:
    shape = call.shape
    one_place = set(shape[2:]) == {1}
    first = one_place or _fits(shape[2:], places)
    last = not one_place and _fits(shape[1:-1], places)
    if not first and not last:
        return None
    both = "the channels may come last: try images that are not square" if first and last else ""
    pool: Pool | None = None if one_place else "mean" if first else "mean_channels_last"
    return FoundTap(call.name, shape, "maps", shape[1] if first else shape[-1], pool, both)


def _fits(sides: Sequence[int], images: Sequence[int]) -> bool:
    """Whether a map's sides are those of the images, divided by one stride and rounded."""
    height, width = sides[-2:]
    if len(images) < 2:
        return True
    if images[-2] == images[-1]:
        return height == width
    shortest = max(images[-2] / (height + 1), images[-1] / (width + 1))
    longest = min(images[-2] / max(height - 1, 0.5), images[-1] / max(width - 1, 0.5))
    return shortest < longest
