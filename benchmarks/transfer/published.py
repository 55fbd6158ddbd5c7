"""Finished runs in one file, a line each: what is published, and what a report can be made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from transfer.errors import TransferError
from transfer.files import replace
from transfer.runs import LATER, lacking, read

Line: TypeAlias = dict[str, Any]
"""A run: its ``name``, ``config``, ``metrics`` and ``versions``."""
PARTS = ("config", "metrics", "versions")


class PublishedError(TransferError, ValueError):
    """A file of published runs is broken, or holds another run under the same name."""


def lines(file: Path) -> list[Line]:
    """Read a file of runs; an absent one holds none.

    Raises:
        PublishedError: a line that is no run.
    """
    if not file.exists():
        return []
    runs = []
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
        except ValueError as error:
            raise PublishedError(f"{file}, line {number}, expected JSON, found {error}.") from error
        if not (isinstance(line, dict) and {"name", *PARTS} <= set(line)):
            raise PublishedError(
                f"{file}, line {number}, expected a run (name, {', '.join(PARTS)}), found "
                f"{sorted(line) if isinstance(line, dict) else type(line).__name__}."
            )
        runs.append(line)
    return runs


def publish(folder: Path, file: Path) -> list[str]:
    """Add the finished runs of a folder to a file, which may exist already.

    Args:
        folder: of one data setting: ``runs/offline``.
        file: what is published, ``….jsonl``.

    Returns:
        Names of the runs that were added, or that now say more: sections which came later.

    Raises:
        PublishedError: the file holds a run of the same name and other settings or results.
    """
    known = {line["name"]: line for line in lines(file)}
    added = []
    for place in sorted(path.parent for path in folder.glob("*/metrics.json")):
        line: Line = {"name": place.name, **{part: read(place / f"{part}.json") for part in PARTS}}
        if not set(lacking(line["metrics"])) <= set(LATER):
            continue
        if known.setdefault(place.name, line) is line:
            added.append(place.name)
        elif _completes(line, known[place.name]):
            known[place.name] = line
            added.append(place.name)
        elif known[place.name] != line:
            raise PublishedError(
                f"{file} expected {place.name} as it is in {place}, found another run of that "
                "name. Runs of other settings go into a file of their own."
            )
    text = "".join(json.dumps(known[name], sort_keys=True) + "\n" for name in sorted(known))
    replace(file, lambda target: target.write(text.encode()))
    return added


def _completes(line: Line, known: Line) -> bool:
    """Whether a run is the known one with sections that it lacked."""
    new = set(line["metrics"]) - set(known["metrics"])
    old = {name: value for name, value in line["metrics"].items() if name not in new}
    return bool(new) and new <= set(LATER) and {**line, "metrics": old} == known
