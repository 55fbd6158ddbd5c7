"""Reads the folders of runs: what is finished, what is not, and what cannot be believed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer.config import ARMS as KNOWN_ARMS
from transfer.config import FORMER
from transfer.errors import TransferError
from transfer.published import lines

ARMS = tuple(KNOWN_ARMS)
MAIN = ("plain", "augself")
"""Arms of the main grid; the others are AugSelf's neighbours."""
FILES = ("config.json", "metrics.json")
"""What a run is read from."""
LIKE_A_RUN = re.compile(r"-s\d+$")
"""How the names of runs end."""


class RunsError(TransferError, ValueError):
    """A folder of runs cannot be reported on: unreadable, contradictory, or empty."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        name: of its folder.
        method: base method, ``simsiam``.
        arm: one of ARMS, ``plain`` or ``augself`` in the main grid.
        variant: of an ablation; empty in the main grid.
        seed: of the weights, the order of the data and the augmentations.
        config: all settings, ``config.json``.
        metrics: all results, ``metrics.json``.
        versions: machine, date, versions, commit; empty if the run says nothing of them.
    """

    name: str
    method: str
    arm: str
    variant: str
    seed: int
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    versions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """All runs of one data setting.

    Args:
        data: the setting's name.
        runs: the finished ones, ordered by name.
        unfinished: name of a folder → what it lacks.
    """

    data: str
    runs: tuple[Run, ...]
    unfinished: Mapping[str, str]

    def select(self, method: str, arm: str, variant: str = "") -> list[Run]:
        """List the runs of one cell of the grid, one a seed."""
        wanted = (method, arm, variant)
        return [run for run in self.runs if (run.method, run.arm, run.variant) == wanted]

    def main(self) -> list[Run]:
        """List the runs of the main grid, without ablations and AugSelf's neighbours."""
        return [run for run in self.runs if not run.variant and run.arm in MAIN]


def collect(source: Path, data: str) -> Collection:
    """Read all runs of a data setting.

    Args:
        source: a folder that holds ``<data>/<run name>/config.json`` and ``metrics.json``, or a
            file of published runs.
        data: the setting, ``offline``.

    Raises:
        RunsError: no folder, no run in it, a file that is no JSON or lacks a setting, two runs
            of the same method, arm, variant and seed, or seeds of one arm with other settings.
    """
    if source.is_file():
        found = [
            _run(line["name"], line, data, f"{source}, {line['name']}") for line in lines(source)
        ]
        return _collection(data, found, {})
    root = source / data
    if not root.is_dir():
        raise RunsError(f"Expected runs in {root}, found no such folder; train some first.")
    runs, unfinished = [], {}
    for place in sorted(p for p in root.iterdir() if p.is_dir()):
        lacks = [name for name in FILES if not (place / name).is_file()]
        if len(lacks) == len(FILES) and not LIKE_A_RUN.search(place.name):
            continue  # a report, for instance
        if lacks:
            unfinished[place.name] = f"no {' and no '.join(lacks)}"
        else:
            versions = place / "versions.json"
            parts = {
                "config": _read(place / "config.json"),
                "metrics": _read(place / "metrics.json"),
                "versions": _read(versions) if versions.is_file() else {},
            }
            runs.append(_run(place.name, parts, data, str(place / "config.json")))
    if not runs and not unfinished:
        raise RunsError(f"Expected folders of runs in {root}, found none; train some first.")
    return _collection(data, runs, unfinished)


def _collection(data: str, runs: list[Run], unfinished: Mapping[str, str]) -> Collection:
    _refuse_twins(runs)
    _refuse_mixed(runs)
    return Collection(data, tuple(sorted(runs, key=_order)), unfinished)


def _order(run: Run) -> tuple[str, str, int, int]:
    return run.method, run.variant, ARMS.index(run.arm), run.seed


def _run(name: str, parts: Mapping[str, Any], data: str, where: str) -> Run:
    config = parts["config"]
    for key, kind in (
        ("data", str),
        ("method", str),
        ("arm", str),
        ("variant", str),
        ("seed", int),
    ):
        if not isinstance(config.get(key), kind):
            raise RunsError(
                f"Expected '{key}' ({kind.__name__}) in {where}, "
                f"found {config.get(key)!r}; move the folder away or run it again."
            )
    if config["data"] != data or config["arm"] not in ARMS:
        others = ", ".join(arm for arm in ARMS if arm not in MAIN)
        raise RunsError(
            f"Expected data '{data}' and an objective's arm ({others}) or arm {' or '.join(MAIN)} "
            f"in {where}, found '{config['data']}' and '{config['arm']}'; move the folder to where "
            "it belongs."
        )
    return Run(
        name=name,
        method=config["method"],
        arm=config["arm"],
        variant=config["variant"],
        seed=config["seed"],
        config=config,
        metrics=parts["metrics"],
        versions=parts["versions"],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also bytes that are no UTF-8
        raise RunsError(
            f"Expected JSON in {path}, found: {error}; remove the file and evaluate the run again."
        ) from error
    if not isinstance(content, dict):
        raise RunsError(f"Expected a JSON object in {path}, found {type(content).__name__}.")
    return content


def _refuse_twins(runs: Sequence[Run]) -> None:
    seen: dict[tuple[str, str, str, int], str] = {}
    for run in runs:
        key = (run.method, run.arm, run.variant, run.seed)
        if key in seen:
            raise RunsError(
                f"Expected one run of {run.method}, {run.arm}, variant '{run.variant}', seed "
                f"{run.seed}, found two: {seen[key]} and {run.name}; move one of them away."
            )
        seen[key] = run.name


def _refuse_mixed(runs: Sequence[Run]) -> None:
    """Seeds of one cell of the grid make one interval: they must differ in the seed alone."""
    seen: dict[tuple[str, str, str], Run] = {}
    for run in runs:
        first = seen.setdefault((run.method, run.arm, run.variant), run)
        one, two = ({**FORMER, **each.config, "seed": None} for each in (first, run))
        differ = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
        if differ:
            raise RunsError(
                f"Expected {first.name} and {run.name} to differ in the seed alone, found other "
                f"{', '.join(differ)}. Keep runs of other settings in another folder (--runs) or "
                "file."
            )
