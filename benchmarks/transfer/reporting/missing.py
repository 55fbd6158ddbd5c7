"""What the report does not rest on: runs without an end, a partner or a number."""

from __future__ import annotations

from collections.abc import Iterator

from transfer.reporting.collect import Collection, Run
from transfer.reporting.scores import LATER, SECTIONS, Item, items

OF_ARMS = {"arm", "types", "head_dim", "tap", "share", "objective", "options", "date"}
"""In what the two runs of a pair may differ: what concerns the term alone, names, and dates."""


def missing(collection: Collection) -> list[str]:
    """List, a line each, what is not finished, not measured, not paired, or not equal."""
    return [
        *(f"`{name}` is not finished: {why}." for name, why in collection.unfinished.items()),
        *_not_evaluated(collection),
        *_unmeasured(collection),
        *_unpaired(collection),
        *_unequal(collection),
    ]


def _not_evaluated(collection: Collection) -> Iterator[str]:
    for run in collection.runs:
        gone = [name for name in SECTIONS if name not in run.metrics]
        if gone:
            yield (
                f"`{run.name}` is not finished: no {', no '.join(gone)} yet. "
                "What it has is in the tables."
            )
    for name in LATER:
        lacks = [run.name for run in collection.runs if name not in run.metrics]
        if lacks and len(lacks) < len(collection.runs):
            yield (
                f"`{'`, `'.join(lacks)}` have no {name}, which came later: `python -m transfer "
                "evaluate` measures it where there are weights."
            )


def _unmeasured(collection: Collection) -> Iterator[str]:
    readers = {**SECTIONS, **LATER}
    known = {name: items(collection.runs, read) for name, read in readers.items()}
    main = {name: items(collection.main(), read) for name, read in readers.items()}
    for run in collection.runs:
        lacks = []
        for name, read in readers.items():
            if name not in run.metrics:
                continue
            # A variant may be measured on less, and reads parameters that others do not have.
            wanted = known[name] if name == "linear" else [] if run.variant else main[name]
            gone = [item for item in wanted if item not in read(run)]
            if gone:
                lacks.append(name if len(gone) == len(wanted) else f"{name} ({_listed(gone)})")
        if lacks:
            yield f"`{run.name}` has no finite number for {', '.join(lacks)}."


def _listed(gone: list[Item]) -> str:
    return ", ".join(item.header.replace("\n", " ") for item in gone)


def _unpaired(collection: Collection) -> Iterator[str]:
    found = {(run.method, run.variant, run.arm, run.seed) for run in collection.runs}
    for run in collection.runs:
        other = "augself" if run.arm == "plain" else "plain"
        # A variant that changes AugSelf alone has its base in the main grid.
        own = other == "augself" or collection.select(run.method, "plain", run.variant)
        place = run.variant if own else ""
        if (run.method, place, other, run.seed) not in found:
            arm = "a run with AugSelf" if other == "augself" else "a plain run"
            yield f"`{run.name}` has no partner: {arm} of the same seed. It is in no gain."


def _unequal(collection: Collection) -> Iterator[str]:
    """A gain is the term's only if nothing else differs."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in collection.runs:
        if run.arm != "plain":
            term = "AugSelf" if run.arm == "augself" else "the objective"
            for partner in collection.select(run.method, "plain", run.variant):
                differ = _differing(run, partner) if partner.seed == run.seed else []
                if differ:
                    found.setdefault((term, ", ".join(differ)), []).append(f"`{run.name}`")
    for (term, differ_in), names in found.items():
        yield f"In more than {term} the plain run differs from {', '.join(names)}: {differ_in}."


def _differing(run: Run, partner: Run) -> list[str]:
    one, two = ({**side.config, **side.versions} for side in (partner, run))
    return [
        f"{key} {one.get(key, 'unset')} → {two.get(key, 'unset')}"
        for key in {**one, **two}
        if key not in OF_ARMS and one.get(key) != two.get(key)
    ]
