"""What it costs that glibc gives freed memory back and takes it again, and what ends that.

Each run is a process of its own with its settings in the environment; settings take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch
from ways import BATCHES, on_device

Row = dict[str, Any]
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_TOP_PAD_": str(2**26)}
SETTINGS: dict[str, dict[str, str]] = {
    "none": {},
    "trim threshold, top pad": KEPT,
    # Any of them ends glibc's own adaption of this one, which is 128 KB then: below most tensors.
    "trim threshold, top pad, mmap threshold": {**KEPT, "MALLOC_MMAP_THRESHOLD_": str(2**25)},
}
"""Name → variables of the environment: 1 GB, 64 MB and 32 MB, the most that glibc takes."""


def rows(*, quick: bool, sizes: tuple[int, ...] = tuple(BATCHES)) -> Iterator[Row]:
    """Time Kornia and the fused path under all settings; a row for each."""
    for size in sizes:
        batch = 8 if quick else BATCHES[size]
        for way in ("Kornia", "fused"):
            yield from _in_turn(way, size, batch, quick=quick)


def _in_turn(way: str, size: int, batch: int, *, quick: bool) -> Iterator[Row]:
    runs: dict[str, list[Row]] = {name: [] for name in SETTINGS}
    for _ in range(1 if quick else 3):
        for name, environment in SETTINGS.items():
            runs[name].append(_child(way, size, batch, "0.1" if quick else "3", environment))
    for name, seen in runs.items():
        pairs = zip(seen, runs["none"], strict=True)
        yield {
            "px": size, "batch": batch, "way": way, "MALLOC_ settings": name,
            "views / s": median(run["views / s"] for run in seen),
            "of its time, the system's": median(run["system"] for run in seen),
            "times as fast": median(a["views / s"] / b["views / s"] for a, b in pairs),
        }  # fmt: skip


def _child(way: str, size: int, batch: int, seconds: str, environment: dict[str, str]) -> Row:
    command = [sys.executable, __file__, way, str(size), str(batch), seconds]
    done = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    row: Row = json.loads(done.stdout)
    return row


def main() -> None:
    """Augment for some seconds and print what it took, as JSON: the child."""
    way, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    two = on_device(size, torch.rand(batch, 3, size, size))[way].two
    for _ in range(3):
        two()
    views, start, before = 0, time.perf_counter(), os.times()
    while time.perf_counter() - start < float(sys.argv[4]):
        two()
        views += 2 * batch
    took, after = time.perf_counter() - start, os.times()
    user, system = after.user - before.user, after.system - before.system
    share = system / (user + system) if user + system else 0.0  # the clock is coarse
    print(json.dumps({"views / s": views / took, "system": share}))


if __name__ == "__main__":
    main()
