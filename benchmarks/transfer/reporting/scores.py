"""Which numbers of a run's metrics are compared, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from transfer.reporting.collect import Run

KINDS = ("color", "position", "texture", "shape", "scene", "category")
"""What tasks live on, in the order of all tables; others follow."""
NAMES = {
    "simsiam": "SimSiam",
    "simclr": "SimCLR",
    "moco": "MoCo v2",
    "byol": "BYOL",
    "swav": "SwAV",
    "supervised": "supervised",
}
"""Methods in the order of all tables and pictures; others follow, as they are called."""


@dataclass(frozen=True)
class Unit:
    """How a number is written: ``scale`` times it, with so many decimals."""

    scale: float
    decimals: int


PERCENT, NUMBER, SECONDS = Unit(100.0, 1), Unit(1.0, 2), Unit(1.0, 0)
RANK = Unit(1.0, 3)


@dataclass(frozen=True)
class Item:
    """A measured quantity: one column of a table.

    Args:
        key: of the task, or of the parameter.
        about: what a task lives on, or which score it is; may be empty.
        unit: how it is written.
    """

    key: str
    about: str = ""
    unit: Unit = PERCENT

    @property
    def header(self) -> str:
        """Name of the column, in one or two lines."""
        return f"{self.key}\n({self.about})" if self.about else self.key


Scores: TypeAlias = dict[Item, float]
Reader: TypeAlias = Callable[[Run], Scores]


def linear(run: Run) -> Scores:
    """Linear evaluation: the downstream sets' scores."""
    tasks = by_kind(run, _section(run, "linear"))
    return _finite({Item(t, m.get("lives_on", "")): m.get("test") for t, m in tasks.items()})


def few_shot(run: Run) -> Scores:
    """Mean accuracy of few-shot episodes."""
    tasks = by_kind(run, _section(run, "few_shot"))
    return _finite(
        {Item(t, f"{k}-shot"): e.get("mean") for t, s in tasks.items() for k, e in s.items()}
    )


def localization(run: Run) -> Scores:
    """Box regression: mean intersection over union, and R² of the box."""
    scores: dict[Item, Any] = {}
    for task, measured in by_kind(run, _section(run, "localization")).items():
        scores[Item(task, "IoU, %")] = measured.get("test")
        scores[Item(task, "R²", NUMBER)] = measured.get("R2")
    return _finite(scores)


def readability(run: Run) -> Scores:
    """How well each augmentation parameter is read from pairs of features."""
    return _finite(
        {_parameter(t, r): r.get("value") for t, r in _section(run, "readability").items()}
    )


def by_chance(run: Run) -> Scores:
    """What reading says of a parameter that knows no features."""
    return _finite(
        {_parameter(t, r): r.get("baseline") for t, r in _section(run, "readability").items()}
    )


def columns(run: Run) -> Scores:
    """R² of every column of the parameters: hue, brightness, height and so on."""
    return _finite(
        {
            Item(f"{name}", kind, NUMBER): value
            for kind, readout in _section(run, "readability").items()
            for name, value in readout.get("columns", {}).items()
        }
    )


def probes(run: Run) -> Scores:
    """R² of every column by the linear probe and by the MLP, side by side, where both read it."""
    linearly, scores = _section(run, "readability"), {}
    for kind, readout in _section(run, "readability_mlp").items():
        for name, value in readout.get("columns", {}).items():
            beside = linearly.get(kind, {}).get("columns", {})
            scores[Item(name, f"{kind}, ridge", NUMBER)] = beside.get(name)
            scores[Item(name, f"{kind}, MLP", NUMBER)] = value
    return _finite(scores)


def equivariance(run: Run) -> Scores:
    """How well views are found by their predicted features."""
    return _finite(_ranks(_section(run, "equivariance")))


def by_guessing(run: Run) -> Scores:
    """How well views are found by one who guesses."""
    section = _section(run, "equivariance").items()
    return _finite(_ranks({kind: found.get("chance", {}) for kind, found in section}))


def in_domain(run: Run) -> Scores:
    """Accuracy on pictures of the kind that was trained on."""
    section = _section(run, "in_domain")
    held_out = section.get("linear", {})
    # The section is a linear evaluation of one set, or of several by name.
    tasks = {"held out": held_out} if "test" in held_out else held_out
    linear_scores = {Item(t, "linear"): m.get("test") for t, m in tasks.items()}
    neighbours = (
        {Item("held out", "nearest neighbours"): section["knn"]} if "knn" in section else {}
    )
    return _finite(linear_scores | neighbours)


def retrieval(run: Run) -> Scores:
    """Nearest neighbours: how many of five are right, and mean average precision."""
    scores: dict[Item, Any] = {}
    for task, measured in by_kind(run, _section(run, "retrieval")).items():
        scores[Item(task, "P@5")] = measured.get("precision@5")
        scores[Item(task, "mAP")] = measured.get("mean_average_precision")
    return _finite(scores)


def seconds(run: Run) -> Scores:
    """Wall time of the pretraining."""
    return _finite({Item("seconds", unit=SECONDS): _section(run, "pretraining").get("seconds")})


SECTIONS: Mapping[str, Reader] = {
    "linear": linear,
    "few_shot": few_shot,
    "localization": localization,
    "readability": readability,
    "in_domain": in_domain,
    "retrieval": retrieval,
    "pretraining": seconds,
}
"""What a complete run holds."""

LATER: Mapping[str, Reader] = {"readability_mlp": probes, "equivariance": equivariance}
"""What a run from before may lack. It is missed only where another run has it."""


def items(runs: Sequence[Run], read: Reader) -> list[Item]:
    """List what any of the runs measured, in their order."""
    return list(dict.fromkeys(item for run in runs for item in read(run)))


def methods(runs: Sequence[Run]) -> list[str]:
    """List the runs' methods in the order of all tables."""
    found = {run.method for run in runs}
    return [name for name in NAMES if name in found] + sorted(found - set(NAMES))


def named(method: str) -> str:
    """Name of a method as it is written."""
    return NAMES.get(method, method)


def by_kind(run: Run, tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Order what is known of tasks by what they live on, as the linear evaluation says it."""
    known = _section(run, "linear")
    kinds = {task: known[task].get("lives_on") if task in known else None for task in tasks}
    places = {t: KINDS.index(kind) if kind in KINDS else len(KINDS) for t, kind in kinds.items()}
    return {task: tasks[task] for task in sorted(tasks, key=lambda task: places[task])}


def _section(run: Run, name: str) -> Mapping[str, Any]:
    section = run.metrics.get(name) or {}
    return section if isinstance(section, Mapping) else {}


def _ranks(section: Mapping[str, Mapping[str, Any]]) -> dict[Item, Any]:
    scores: dict[Item, Any] = {}
    for kind, found in section.items():
        scores[Item(kind, "MRR", RANK)] = found.get("mrr")
        scores[Item(kind, "Hit@1, %")] = found.get("hit@1")
        scores[Item(kind, "Hit@5, %")] = found.get("hit@5")
    return scores


def _parameter(kind: str, readout: Mapping[str, Any]) -> Item:
    return (
        Item(kind, "accuracy, %")
        if readout.get("metric") == "accuracy"
        else Item(kind, "R²", NUMBER)
    )


def _finite(scores: Mapping[Item, Any]) -> Scores:
    """Keep what is a number; what is not is found by `missing` and listed there."""
    return {
        item: float(value)
        for item, value in scores.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
