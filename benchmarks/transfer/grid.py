"""Many runs, some at a time, each in a process of its own with its own log."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from transfer.deadline import EXIT, NEVER, Deadline
from transfer.runs import Run

HERE = Path(__file__).parents[1]
"""Where this package is found."""
LEAST = 20.0
"""Seconds: with less left no run is begun, since a process takes some of them to start."""


def work(
    runs: Sequence[tuple[Run, list[str]]],
    jobs: int,
    *,
    minutes: float | None = None,
    whole: bool = False,
) -> list[str]:
    """Finish runs, ``jobs`` at a time, each on its share of the cores.

    A run that fails is named and the others go on; what it printed is in its folder's ``log.txt``.

    Args:
        runs: every run with the command line that finishes it.
        jobs: how many at a time.
        minutes: have stopped after so many. Runs that are not finished go on later, from their
            last checkpoint; one that does not stop in time itself is ended.
        whole: begin no run with less time left than the quickest so far took, from its beginning to
            its end: where checkpoints are not kept, it would only slow the others down.

    Returns:
        Names of the runs that failed.
    """
    open_runs = [(run, command) for run, command in runs if not run.finished]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    deadline = Deadline.after(minutes)
    failed: list[str] = []
    took: list[float] = []
    lock = threading.Lock()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("runs", total=len(runs), completed=len(runs) - len(open_runs))

        def finish(run: Run, command: list[str]) -> None:
            if whole and deadline.left < min(took, default=0.0):
                return
            begun = run.checkpoint.exists() or run.backbone.exists()
            since = time.monotonic()
            code = _process(command, run.folder / "log.txt", threads, deadline)
            with lock:
                if code == 0 and not begun:
                    took.append(time.monotonic() - since)
                progress.advance(bar, int(code == 0))
                if code not in (0, EXIT):
                    failed.append(run.config.name)
                    progress.console.print(f"{run.config.name} failed: see {run.folder}/log.txt")

        for run, command in open_runs:
            pool.submit(finish, run, command)
    return failed


def _process(command: list[str], log: Path, threads: int, deadline: Deadline) -> int:
    limited = deadline != NEVER
    if deadline.left <= LEAST:
        return EXIT
    until = ["--until", str(deadline.until)] if limited else []
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}
    with log.open("a") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "transfer", *command, *until],
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=deadline.left if limited else None,
            )
        except subprocess.TimeoutExpired:
            return EXIT
    return done.returncode
