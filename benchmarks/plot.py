"""Draws the measured ratios and growth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

WAYS = ("straightforward", "ours", "ours, compiled")


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what there is of the term's ratios and of the growth into one picture."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    _ratios(left, results.get("term", {}).get("rows", []))
    _growth(right, results.get("growth", {}).get("rows", []))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _ratios(axes: Any, rows: list[dict[str, Any]]) -> None:
    chosen = [row for row in rows if row["dtype"] == "float32"]
    labels = [f"{r['types']} types\nD {r['D']}\nB {r['batch']}" for r in chosen]
    for number, way in enumerate(WAYS):
        known = [
            (p, row[f"{way} / limit"]) for p, row in enumerate(chosen) if f"{way} / limit" in row
        ]
        axes.bar(
            [p + 0.27 * (number - 1) for p, _ in known], [r for _, r in known], 0.25, label=way
        )
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(chosen)), labels, fontsize=5)
    axes.set_ylabel("time / matrix products alone")
    axes.set_title("The term, forward and backward")
    axes.legend(fontsize=7)


def _growth(axes: Any, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        sizes = [int(size) for size in row["ms"]]
        name = f"{row['grows with']}: exponent {row['exponent']:.2f}"
        axes.loglog([size / sizes[0] for size in sizes], list(row["ms"].values()), "o-", label=name)
    axes.set_xlabel("times as many as the fewest")
    axes.set_ylabel("ms, forward and backward")
    axes.set_title("Growth")
    if rows:
        axes.legend(fontsize=7)
