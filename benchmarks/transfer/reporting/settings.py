"""What was run: settings, machine, versions, dates, seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transfer.reporting.collect import Collection, Run
from transfer.reporting.scores import methods, named
from transfer.reporting.tables import Cell, Table

NAMING = ("data", "method", "arm", "variant", "seed", "name", "run")
"""Settings that name a run, and so are said elsewhere."""


def settings_tables(collection: Collection) -> list[Table]:
    """Make tables of the grid, of the settings that differ by method, and of those that do not."""
    runs = collection.main() or list(collection.runs)
    by_method = {m: [run for run in runs if run.method == m] for m in methods(runs)}
    keys = [k for k in dict.fromkeys(k for run in runs for k in _flat(run)) if k not in NAMING]
    values = {k: {m: _setting(k, found) for m, found in by_method.items()} for k in keys}
    varied = [k for k in keys if len(set(values[k].values())) > 1]
    rows = []
    for method, found in by_method.items():
        seeds = (
            _seeds(run.seed for run in found if run.arm == arm) for arm in ("plain", "augself")
        )
        cells = (named(method), *seeds, *(values[k][method] for k in varied))
        rows.append(tuple(map(Cell, cells)))
    headers = ("", "seeds, base", "seeds, + AugSelf", *map(_words, varied))
    common = [(_words(k), next(iter(values[k].values()))) for k in keys if k not in varied]
    tables = [
        Table("runs", "Runs of the main grid, and settings that differ", headers, tuple(rows))
    ]
    if common:
        tables.append(_pairs("settings", "Settings of all methods", common))
    return tables


def versions_table(collection: Collection) -> Table | None:
    """Make the table of machine, dates, versions and commits; several where the runs differ."""
    stated = [run.versions for run in collection.runs if run.versions]
    keys = dict.fromkeys(key for versions in stated for key in versions)
    rows = [(_words(k), _span(k, [str(v[k]) for v in stated if k in v])) for k in keys]
    silent = len(collection.runs) - len(stated)
    note = f"{silent} of {len(collection.runs)} runs do not say." if silent else ""
    return _pairs("versions", "Machine and versions", rows, note) if rows else None


def _pairs(name: str, title: str, rows: Sequence[tuple[str, str]], note: str = "") -> Table:
    cells = tuple((Cell(key), Cell(value)) for key, value in rows)
    return Table(name, title, ("what", "value"), cells, note, labels=2)


def _flat(run: Run) -> dict[str, Any]:
    """List settings, those in groups by group and name; λ of all types are one setting."""
    flat: dict[str, Any] = {}
    for key, value in run.config.items():
        if isinstance(value, Mapping) and key != "types":
            flat.update({f"{key}: {inner}": setting for inner, setting in value.items()})
        else:
            flat[key] = value
    return flat


def _setting(key: str, runs: Sequence[Run]) -> str:
    # A plain run has no types: what AugSelf's runs predict is the setting of the method.
    stated = [_flat(run)[key] for run in runs if key in _flat(run)]
    if key == "types":
        stated = [value for value in stated if value] or stated
    return " / ".join(dict.fromkeys(map(_text, stated))) or "–"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _span(key: str, values: Sequence[str]) -> str:
    distinct = sorted(set(values))
    if key == "date" and len(distinct) > 1:
        return f"{distinct[0]} – {distinct[-1]}"
    return ", ".join(distinct)


def _seeds(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "–"


def _words(key: str) -> str:
    return {"types": "λ", "lr": "learning rate"}.get(key, key.replace("_", " "))
