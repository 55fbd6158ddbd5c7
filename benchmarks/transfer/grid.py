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

from transfer.runs import Run

HERE = Path(__file__).parents[1]
"""Where this package is found."""
STOPPED = -100
"""In place of an exit status: time was up."""


def work(
    runs: Sequence[tuple[Run, list[str]]], jobs: int, *, minutes: float | None = None
) -> list[str]:
    """Finish runs, ``jobs`` at a time, each on its share of the cores.

    A run that fails is named and the others go on; what it printed is in its folder's ``log.txt``.

    Args:
        runs: every run with the command line that finishes it.
        jobs: how many at a time.
        minutes: stop after so many. Runs that are not finished go on later, from their last epoch.

    Returns:
        Names of the runs that failed.
    """
    open_runs = [(run, command) for run, command in runs if not run.finished]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    until = None if minutes is None else time.monotonic() + 60 * minutes
    failed: list[str] = []
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
            code = _process(command, run.folder / "log.txt", threads, until)
            with lock:
                progress.advance(bar, int(code == 0))
                if code not in (0, STOPPED):
                    failed.append(run.config.name)
                    progress.console.print(f"{run.config.name} failed: see {run.folder}/log.txt")

        for run, command in open_runs:
            pool.submit(finish, run, command)
    return failed


def _process(command: list[str], log: Path, threads: int, until: float | None) -> int:
    left = None if until is None else until - time.monotonic()
    if left is not None and left <= 0:
        return STOPPED
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}
    with log.open("a") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "transfer", *command],
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=left,
            )
        except subprocess.TimeoutExpired:
            return STOPPED
    return done.returncode
