"""Measures what the library costs: prints tables, writes JSON, Markdown and a plot.

    pip install '.[examples]' && python benchmarks/run.py
    python benchmarks/run.py term recording --quick
    python benchmarks/run.py step --px 96        # exchanges these rows, and keeps the others

Everything that is compared runs in turn in one process on one thread, and ratios are medians over
the rounds. Beside the numbers stand machine, versions and date.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import allocator
import depths
import growth
import half
import objectives
import passing
import plot
import recording
import step
import term
import torch
import views
from cells import cell, columns_of
from machine import machine
from page import markdown
from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "term": term.rows,
    "half": half.rows,
    "launches": term.launches,
    "depths": depths.rows,
    "objectives": objectives.rows,
    "passing": passing.rows,
    "recording": recording.rows,
    "views": views.rows,
    "asked": views.launches,
    "allocator": allocator.rows,
    "step": step.rows,
    "growth": growth.rows,
}
SIZED = ("views", "asked", "allocator", "step")
"""Parts that run at several sizes of an image."""


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--quick", action="store_true", help="fewer and smaller settings")
    parser.add_argument("--px", type=int, nargs="+", help=f"only these, of {', '.join(SIZED)}")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"expected parts out of {', '.join(PARTS)}, found {', '.join(unknown)}")
    if args.px and not set(args.parts or PARTS) <= set(SIZED):
        parser.error(
            f"--px expected parts out of {', '.join(SIZED)}, found others. Name the parts."
        )
    torch.set_num_threads(args.threads)
    console = Console(width=int(os.environ.get("COLUMNS", "160")))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "benchmark.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in args.parts or PARTS:
        kept = results.get(name, {}).get("rows", []) if args.px else []
        for rows in _growing(PARTS[name](quick=args.quick, **_sizes(args.px)), kept):
            results[name] = {"machine": machine(args.threads), "rows": rows}
            # Each time: an interrupted run keeps its rows.
            path.write_text(f"{json.dumps(results, indent=1)}\n")
        console.print(table(name, results[name]["rows"]))
    plot.draw(results, args.out / "benchmark.png")
    (args.out / "benchmark.md").write_text(markdown(results), encoding="utf-8")
    console.print(f"Everything is in {args.out}")


def _sizes(px: list[int] | None) -> dict[str, Any]:
    return {"sizes": tuple(px)} if px else {}


def _growing(new: Iterator[Row], kept: list[Row]) -> Iterator[list[Row]]:
    """Give the rows again after each new one, by size; it takes the place of those of its size."""
    fresh: list[Row] = []
    for row in new:
        fresh.append(row)
        print(f"  {row}", flush=True)
        others = [old for old in kept if old["px"] not in {r["px"] for r in fresh}]
        yield sorted([*others, *fresh], key=lambda r: r.get("px", 0))


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """Lay rows out for the terminal."""
    columns = columns_of(rows)
    shown = Table(*columns, title=name)
    for row in rows:
        shown.add_row(*(cell(row.get(column, "")) for column in columns))
    return shown


if __name__ == "__main__":
    main()
