"""Runs scripts as a user does: in a process and a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_script(*args: str | Path, cwd: Path) -> str:
    """Run a script, or ``-m`` a module of examples/ or benchmarks/; return what it printed."""
    # A changed copy of a script still finds the modules beside the original.
    folders = (str(ROOT / "examples"), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH"))
    env = {
        **os.environ,
        "COLUMNS": "120",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
    }
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
