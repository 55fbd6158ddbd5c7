"""What each choice is worth: the variants of the main grid."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.reporting.collect import Collection
from transfer.reporting.comparing import MEAN, Row, compare, with_mean
from transfer.reporting.intervals import Estimate, estimate, paired
from transfer.reporting.scores import Item, Reader, items, linear, methods, named, readability
from transfer.reporting.sections import compared
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


def ablations(collection: Collection, read: Reader = linear) -> tuple[list[Item], list[Ablation]]:
    """Compare every variant with its own base, or with the main grid's of the same seed.

    Args:
        collection: all runs.
        read: takes a run's scores; of the linear evaluation the mean over tasks is added.

    Returns:
        what is compared, and every variant after its method's main grid.
    """
    varied = [run for run in collection.runs if run.variant]
    with_variants = methods(varied)
    what = items([run for run in collection.runs if run.method in with_variants], read)
    averaged = read is linear and len(what) > 1
    shown = [*what, MEAN] if averaged else what
    reader = with_mean(read, what) if averaged else read
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
    """Make a table of the means, one of the gains task by task, one of what the features know."""
    shown, found = ablations(collection)
    if not found:
        return []
    last = shown[-1]
    main = {a.method: a.row[last].gain for a in found if not a.variant}
    means, tasks = [], []
    for ablation in found:
        mean = ablation.row[last]
        base = "its own" if ablation.own_plain else "the main grid's"
        means.append((*_labels(ablation), Cell(base), *compared(mean),
                      _beside(ablation, mean.gain, main[ablation.method])))  # fmt: skip
        tasks.append((*_labels(ablation), *(gain(ablation.row[item].gain) for item in shown)))
    note = (
        "The base is trained with the same augmentations; a variant that changes AugSelf alone is "
        "compared with the main grid's base, over the seeds that both have. Last column: this "
        "gain less the main grid's of the same seeds."
    )
    return [
        Table("ablations", "Mean over tasks, linear evaluation, %",
              ("method", "variant", "compared with", "base", "+ AugSelf", "gain", "pairs",
               "beside the main grid"), tuple(means), note, labels=3),
        Table("ablations_by_task", "Gain by task, points",
              ("method", "variant", *(item.header for item in shown)), tuple(tasks), labels=2),
        _known(collection),
    ]  # fmt: skip


def _known(collection: Collection) -> Table:
    shown, found = ablations(collection, readability)
    rows = [
        (*_labels(a), *(number(a.row[item].augself, item.unit) for item in shown)) for a in found
    ]
    headers = ("method", "variant", *(item.header for item in shown))
    title = "What the features with AugSelf know of the augmentations"
    note = "Every variant is asked for the parameters of its own augmentations."
    return Table("ablations_readability", title, headers, tuple(rows), note, labels=2)


def _labels(ablation: Ablation) -> tuple[Cell, Cell]:
    return Cell(named(ablation.method)), Cell(ablation.label)


def _beside(ablation: Ablation, own: Estimate | None, main: Estimate | None) -> Cell:
    if not ablation.variant or own is None or main is None:
        return Cell("")
    return gain(estimate(paired(main.values, own.values)))
