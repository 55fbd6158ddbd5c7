"""The benchmark's cheap parts run; what they time is not looked at, what they count is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"


def measured(folder: Path, *parts: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(RUN), *parts, "--quick", "--out", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "benchmark.png").stat().st_size > 10_000
    results: dict[str, Any] = json.loads((folder / "benchmark.json").read_text())
    for part in (part for part in parts if part in results):
        assert {"date", "machine", "torch", "augself-loss"} <= results[part]["machine"].keys()
    return results


def test_growth_is_measured(tmp_path: Path) -> None:
    rows = measured(tmp_path, "growth")["growth"]["rows"]
    assert len(rows) == 5
    assert all(isinstance(row["exponent"], float) for row in rows)


def test_grouped_and_compiled_heads_launch_less(tmp_path: Path) -> None:
    rows = measured(tmp_path, "launches")["launches"]["rows"]
    counted = {(row["types"], row["way"]): row for row in rows}
    for types in (2, 6):
        ours = counted[types, "ours, heads grouped"]
        assert ours["reads of it"] == ours["copies to it"] == 0, "the term never waits"
    plain = counted[6, "straightforward"]["launches"]
    assert counted[6, "ours, heads grouped"]["launches"] < plain
    if (6, "ours, compiled") in counted:  # where there is a compiler
        assert counted[6, "ours, compiled"]["launches"] <= plain / 4


def test_a_second_depth_asks_for_few_launches_more(tmp_path: Path) -> None:
    rows = measured(tmp_path, "depths")["depths"]["rows"]
    counted = {row["way"]: row["launches"] for row in rows if row["network"] == "ResNet-18"}
    assert max(counted.values()) <= 1.5 * counted["one depth"]


def test_a_view_waits_for_no_device_and_a_record_is_one_copy(tmp_path: Path) -> None:
    rows = measured(tmp_path, "asked", "--px", "32")["asked"]["rows"]
    seen = {row["way"]: row for row in rows}
    plain, recorded = seen["Kornia"], seen["Kornia, recorded"]
    assert plain["reads of it"] == recorded["reads of it"]
    assert recorded["copies to it"] == plain["copies to it"] + 1
    assert recorded["waited for"] == plain["waited for"]
    fused = seen["fused"]
    assert (fused["copies to it"], fused["waited for"], fused["reads of it"]) == (1, 0, 0)
    assert fused["launches"] < plain["launches"] / 2
    if "fused, compiled" in seen:  # where there is a compiler
        assert seen["fused, compiled"]["launches"] < fused["launches"]


def test_views_steps_and_settings_are_timed_by_every_way(tmp_path: Path) -> None:
    results = measured(tmp_path, "views", "allocator", "step", "--px", "32")
    assert all(
        row["views / s"] > 0 for row in results["views"]["rows"] + results["allocator"]["rows"]
    )
    steps = results["step"]["rows"]
    assert {row["term"] for row in steps} == {"with", "without"}
    (base,) = [row for row in steps if row["views"] == "Kornia" and row["term"] == "without"]
    assert base["ratio"] == 1
    assert all(row["reads of it"] == base["reads of it"] for row in steps if "reads of it" in row)


def test_a_size_is_exchanged_the_others_stay(tmp_path: Path) -> None:
    old = {"asked": {"machine": {}, "rows": [{"px": 224, "way": "old"}, {"px": 32, "way": "old"}]}}
    (tmp_path / "benchmark.json").write_text(json.dumps(old))
    rows = measured(tmp_path, "asked", "--px", "32")["asked"]["rows"]
    assert [row["px"] for row in rows] == sorted(row["px"] for row in rows)
    assert [row["px"] for row in rows if row["way"] == "old"] == [224]


def test_a_record_costs_the_host_little_on_its_way(tmp_path: Path) -> None:
    rows = {row["step"]: row for row in measured(tmp_path, "passing")["passing"]["rows"]}
    assert len(rows) == 4
    term = rows["of it the term"]
    # Per type a target and a loss, and for all together one concatenation per side.
    assert term["operations"] - term["of them the heads'"] <= 45
    assert all(row["frames"] > 0 and row["operations"] > 0 for row in rows.values())


def test_half_precision_is_measured_with_what_it_needs(tmp_path: Path) -> None:
    rows = measured(tmp_path, "half")["half"]["rows"]
    assert [row["types"] for row in rows] == [2, 6]
    assert all("ours / (limit + casts + norms)" in row for row in rows)


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="expected parts out of term, half, launches"):
        measured(tmp_path, "speed")


def test_a_short_soak(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN.with_name("soak.py")), "--steps", "200", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "soak.json").read_text())
    assert results["failures"] == []
    assert len(results["samples"]) == 200
    assert {"date", "machine", "torch"} <= results["machine"].keys()
    assert (tmp_path / "soak.png").stat().st_size > 10_000
