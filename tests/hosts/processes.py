"""Runs in several processes: scripts of this folder, by ``torchrun`` or by their framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch.distributed as dist
from contract import Run

HERE = Path(__file__).parent


def start(script: str, *args: str, processes: int, by_torchrun: bool = True) -> None:
    """Run a script of this folder to its end.

    Args:
        script: its file name.
        *args: its arguments.
        processes: how many of it ``torchrun`` starts.
        by_torchrun: or the script's framework starts the others itself.
    """
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    search = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *launch * by_torchrun, str(HERE / script), *args],
        env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def leave() -> NoReturn:
    """End a script that went well.

    About one of twenty ends in "terminate called without an active exception" while Python
    finalizes beside torch's threads, if it is left to that.
    """
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)


class InProcesses:
    """A host whose ``train`` runs in this process, or in every process of ``child.py``."""

    key: str
    """As ``--host`` calls it."""
    by_torchrun = True

    def run(self, folder: Path, method: str, *, processes: int = 1, **options: Any) -> list[Run]:
        """Train, see :class:`contract.Host`."""
        folder.mkdir(exist_ok=True)
        if processes == 1:
            return [self.train(folder, method, **options)]
        given = json.dumps({**options, "processes": processes})
        args = (self.key, str(folder), method, given)
        start("child.py", *args, processes=processes, by_torchrun=self.by_torchrun)
        return [Run.read(folder / f"rank{rank}.pt") for rank in range(processes)]

    def train(self, folder: Path, method: str, **options: Any) -> Run:
        """Train in this process, one of ``processes``."""
        raise NotImplementedError
