"""Pipelines whose record is what their steps wrote: nothing that comes later changes it.

Most are: a crop, flips, colours. Their records need no draft of where the view lies, which would
take longer than all the rest of recording.
"""

from __future__ import annotations

from augself_loss.encoders import BUILT_IN, Encoder
from augself_loss.recording.plan import Leaf, Node, leaves


def settles_as_read(plan: Node) -> bool:
    """Whether every step's entries stand in the record as they were read.

    So it is where no type comes twice, nothing turns the view or crops it after a flip, and a flip
    mirrors no entry that was written before. A user's own types are not looked into.
    """
    steps = leaves(plan)
    names = {leaf.encoder.name for leaf in steps}
    if len(names) < len(steps) or any(type(leaf.encoder) not in BUILT_IN for leaf in steps):
        return False
    if any(leaf.encoder.moves is not None or _is_mirrored(leaf) for leaf in _in_any_order(plan)):
        return False
    before: list[Leaf] = []
    for leaf in steps:
        moves = leaf.encoder.moves
        if moves == "turn" or (moves == "crop" and any(map(_mirrors, before))):
            return False
        if _mirrors(leaf) and any(map(_is_mirrored, before)):
            return False
        before.append(leaf)
    return True


def _in_any_order(plan: Node) -> list[Leaf]:
    """List the steps whose order is drawn."""
    if isinstance(plan, Leaf):
        return []
    if plan.kind == "order":
        return leaves(plan)
    return [leaf for child in plan.children for leaf in _in_any_order(child)]


def _mirrors(leaf: Leaf) -> bool:
    return leaf.encoder.moves == "mirror"


def _is_mirrored(leaf: Leaf) -> bool:
    """Whether a later flip rewrites the entry."""
    return type(leaf.encoder).mirror is not Encoder.mirror
