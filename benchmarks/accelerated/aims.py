"""What was aimed at, and whether a run reached it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from accelerated.attempts import Row
from accelerated.names import (
    ALONE,
    COMPILED,
    FUSED,
    FUSED_COMPILED,
    KORNIA,
    PRODUCTS,
    RECORDER,
    STEP,
    TORCHVISION,
    with_augself,
)


def aims(parts: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Say of each aim what was found.

    Args:
        parts: name of a part → its ``rows``.
    """
    found = {name: list(part["rows"]) for name, part in parts.items()}
    return [*_right(found), *_fast(found)]


def _right(found: Mapping[str, list[Row]]) -> list[Row]:
    """Aims that hold or do not."""
    records, graphs = found.get("records", []), found.get("graphs", [])
    ours = [row for row in found.get("syncs", []) if row["case"] not in (ALONE, RECORDER, STEP)]
    views = ("from the CPU's", "from Kornia's there")
    return [
        _all("records are the CPU's, bit for bit", records, ("records", "random state"), "equal"),
        _all("views within the tolerance", records, views, "fits"),
        _all("nothing of ours waits for the device", ours, ("in error mode",), "passes"),
        _all("a graph's term is the run's", graphs, ("total",), "the run's"),
    ]


def _all(aim: str, rows: list[Row], columns: Iterable[str], ending: str) -> Row:
    """Say of how many entries that they end so, as all should."""
    known = [row[column] for row in rows for column in columns if column in row]
    right = sum(entry.endswith(ending) for entry in known)
    total = len(known) + len(_failed(rows))
    return {"aim": aim, "found": f"{right} of {total}", "verdict": _verdict(right == total, total)}


def _fast(found: Mapping[str, list[Row]]) -> list[Row]:
    """Aims that are numbers; what counts is the worst of all cases."""
    rows = []
    for way in (FUSED, FUSED_COMPILED):
        timed = _of(found, "views", way)
        for other, times in ((KORNIA, 2.5), (TORCHVISION, 1.7)):
            aim = f"{way} views: ≥ {times} times {other}"
            rows.append(_bound(aim, timed, f"{other} / this", least=times))
    for way in (FUSED, FUSED_COMPILED):
        aim = f"ResNet-50 step, {with_augself(way)}: ≤ 1.00 of Kornia's"
        timed = _of(found, "steps", with_augself(way), case="resnet50")
        rows.append(_bound(aim, timed, f"this / {KORNIA}", most=1.0))
    for part, name in (("term", "compiled"), ("graphs", "compiled, as a graph")):
        aim, timed = f"term {name}: ≤ 1.15 of its products", _of(found, part, COMPILED)
        rows.append(_bound(aim, timed, f"this / {PRODUCTS}", most=1.15))
    return rows


def _of(found: Mapping[str, list[Row]], part: str, way: str, case: str = "") -> list[Row]:
    """Choose the rows of a way, and of cases that failed with all their ways."""
    rows = [row for row in found.get(part, []) if row.get("way", way) == way]
    return [row for row in rows if row["case"].startswith((case, "all"))]


def _failed(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if str(row.get("status")).startswith("failed")]


def _bound(
    aim: str,
    rows: list[Row],
    column: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Row:
    values, failed = [row[column] for row in rows if column in row], len(_failed(rows))
    shown = [f"{min(values):.3f} to {max(values):.3f}"] if values else []
    shown += [f"{failed} failed"] if failed else []
    right = not failed and all(least <= value <= most for value in values)
    return {
        "aim": aim,
        "found": ", ".join(shown),
        "verdict": _verdict(right, len(values) + failed),
    }


def _verdict(reached: bool, known: int) -> str:
    if not known:
        return "not measured"
    return "reached" if reached else "not reached"
