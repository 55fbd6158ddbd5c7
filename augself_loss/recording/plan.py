"""Looks at a pipeline before the first image: what it holds, and what cannot be recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from augself_loss.encoders import Encoder
from augself_loss.errors import PipelineError


@dataclass(frozen=True)
class Leaf:
    """One transform of a pipeline that is recorded, with the encoder of its type."""

    name: str
    encoder: Encoder


@dataclass(frozen=True)
class Branch:
    """A container: all its children in ``sequence``, ``one_of`` them, or in any ``order``."""

    kind: Literal["sequence", "one_of", "order"]
    children: Sequence[Node]


Node: TypeAlias = Leaf | Branch
NOTHING = Branch("sequence", ())
"""The plan of what is not recorded."""


def leaves(node: Node) -> list[Leaf]:
    """List the recorded transforms in the pipeline's order."""
    if isinstance(node, Leaf):
        return [node]
    return [leaf for child in node.children for leaf in leaves(child)]


def check_plan(node: Node) -> None:
    """Refuse a pipeline whose steps cannot be told from one record.

    Raises:
        PipelineError: two steps of one type that do not combine, or a step that changes the frame
            of an earlier one.
    """
    if isinstance(node, Leaf):
        return
    for child in node.children:
        check_plan(child)
    if node.kind == "one_of":
        return
    groups = [leaves(child) for child in node.children]
    for i, group in enumerate(groups):
        later = [leaf for other in groups[i + 1 :] for leaf in other]
        sooner = [leaf for other in groups[:i] for leaf in other]
        others = later if node.kind == "sequence" else sooner + later
        for first in group:
            _check_pair(first, others)
            if node.kind == "order":
                _check_order(first, others)


def _check_pair(first: Leaf, others: Sequence[Leaf]) -> None:
    for second in others:
        if {second.encoder.name, second.encoder.moves} & {*first.encoder.not_before}:
            raise PipelineError(
                f"Expected '{second.name}' before '{first.name}', found that it can come after: "
                f"the record of '{first.encoder.name}' would no longer hold for the source image. "
                f"Put '{second.name}' first, or leave one of them out of the record with "
                "ignore=[...]."
            )
        same = first.encoder.name == second.encoder.name
        if same and not first.encoder.settles and not _disjoint(first, second):
            raise PipelineError(
                f"Expected '{first.name}' and '{second.name}' to set different entries, found "
                f"that both set '{first.encoder.name}'. A record holds one value: merge the two "
                "steps, or leave one of them out of the record with ignore=[...]."
            )


def _check_order(first: Leaf, others: Sequence[Leaf]) -> None:
    for second in others:
        # Each is recorded as it was applied, so their order must be known.
        warps = first.encoder.moves == second.encoder.moves == "warp"
        if warps and first.encoder.name != second.encoder.name:
            raise PipelineError(
                f"Expected '{first.name}' and '{second.name}' in a fixed order, found one that is "
                "drawn at random, which no record holds. Put them into a container with a fixed "
                "order, or leave one of them out of the record with ignore=[...]."
            )


def _disjoint(first: Leaf, second: Leaf) -> bool:
    """Whether two steps of one type set different columns (RandomBrightness, RandomContrast)."""
    pairs = zip(first.encoder.ranges, second.encoder.ranges, strict=True)
    return first.name != second.name and all(a is None or b is None for a, b in pairs)
