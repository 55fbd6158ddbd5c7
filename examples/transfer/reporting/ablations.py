"""What each choice is worth: the variants of the main grid."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.reporting.collect import Collection
from transfer.reporting.comparing import MEAN, Row, compare, with_mean
from transfer.reporting.scores import Item, items, linear, methods, named
from transfer.reporting.tables import Cell, Table, gain, number

MAIN = "as in the main grid"
ORDER = ("crop-only", "color-only", "all-types", "layer3", "jitter-weak", "jitter-strong")
"""Variants in this order; others follow by name."""


@dataclass(frozen=True)
class Ablation:
    """One variant of one method.

    Args:
        method: base method.
        variant: empty for the main grid, which stands beside its variants.
        own_plain: whether the variant has a base of its own to compare with.
        row: the comparisons.
    """

    method: str
    variant: str
    own_plain: bool
    row: Row

    @property
    def label(self) -> str:
        """Name of the variant as it is written."""
        return self.variant or MAIN


def ablations(collection: Collection) -> tuple[list[Item], list[Ablation]]:
    """Compare every variant with its own base, or with the main grid's of the same seed."""
    varied = [run for run in collection.runs if run.variant]
    with_variants = methods(varied)
    what = items([run for run in collection.runs if run.method in with_variants], linear)
    shown = [*what, MEAN] if len(what) > 1 else what
    reader = with_mean(linear, what)
    found = []
    for method in with_variants:
        variants = {run.variant for run in varied if run.method == method}
        for variant in ["", *(v for v in ORDER if v in variants), *sorted(variants - {*ORDER})]:
            own = collection.select(method, "plain", variant)
            plain = own or collection.select(method, "plain")
            augself = collection.select(method, "augself", variant)
            row = compare(plain, augself, reader, shown)
            found.append(Ablation(method, variant, bool(own), row))
    return shown, found


def ablation_tables(collection: Collection) -> list[Table]:
    """Make a table of the means, and one of the gains task by task."""
    shown, found = ablations(collection)
    if not found:
        return []
    last = shown[-1]
    means, tasks = [], []
    for ablation in found:
        compared = ablation.row[last]
        labels = (Cell(named(ablation.method)), Cell(ablation.label))
        base = "its own" if ablation.own_plain else "the main grid's"
        means.append((*labels, Cell(base), number(compared.plain), number(compared.augself),
                      gain(compared.gain), Cell(_pairs(ablation, last))))  # fmt: skip
        tasks.append((*labels, *(gain(ablation.row[item].gain) for item in shown)))
    note = (
        "The base is trained with the same augmentations; a variant that changes AugSelf alone is "
        "compared with the main grid's base, over the seeds that both have."
    )
    return [
        Table("ablations", "Mean over tasks, linear evaluation, %",
              ("method", "variant", "compared with", "base", "+ AugSelf", "gain", "pairs"),
              tuple(means), note, labels=3),
        Table("ablations_by_task", "Gain by task, points",
              ("method", "variant", *(item.header for item in shown)), tuple(tasks), labels=2),
    ]  # fmt: skip


def _pairs(ablation: Ablation, item: Item) -> str:
    found = ablation.row[item].gain
    return str(len(found.values)) if found else "0"
