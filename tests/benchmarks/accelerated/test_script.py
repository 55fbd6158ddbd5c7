"""The whole script, on a CPU and of tiny sizes, as a checkout runs it that is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "accelerator.py"


def called(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *args],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_all_parts_run_on_a_cpu(tmp_path: Path) -> None:
    done = called("--device", "cpu", "--tiny", "--no-compile", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    results: dict[str, Any] = json.loads((tmp_path / "accelerator.json").read_text())
    assert {"date", "machine", "torch", "card"} <= results["machine"].keys()
    assert list(results["parts"]) == ["records", "syncs", "views", "steps", "term", "graphs"]
    reasons = set()
    for part in results["parts"].values():
        assert part["rows"]
        assert not any("traceback" in row for row in part["rows"]), part["rows"]
        reasons |= {row["status"] for row in part["rows"] if "status" in row}
    assert reasons == {"skipped: needs CUDA", "skipped: --no-compile"}
    verdicts = {row["aim"]: row["verdict"] for row in results["aims"]}
    assert verdicts["records are the CPU's, bit for bit"] == "reached"
    assert verdicts["views within the tolerance"] == "reached"
    assert verdicts["nothing of ours waits for the device"] == "not measured"
    told = (tmp_path / "accelerator.txt").read_text()
    assert told in done.stdout
    assert "needs CUDA" in told


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    done = called("speed", "--device", "cpu", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "expected parts out of records, syncs, views, steps, term, graphs" in done.stderr
