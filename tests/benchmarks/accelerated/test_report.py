"""Tables hold what was measured; below them stands why the rest was not; then come the aims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from accelerated.aims import aims
from accelerated.report import reasons, table, text, write


def verdicts(**parts: list[dict[str, Any]]) -> dict[str, str]:
    rows = aims({name: {"rows": rows} for name, rows in parts.items()})
    return {row["aim"]: row["verdict"] for row in rows}


def test_a_table_leaves_out_what_was_not_measured() -> None:
    rows = [
        {"case": "a", "way": "x", "ms": 1.5, "first": "short"},
        {"case": "a", "way": "y", "status": "failed: RuntimeError: no", "traceback": "…"},
        {"case": "a", "way": "z", "ms": 20.25},
    ]
    assert table(rows) == [
        "case  way  ms     first",
        "a     x    1.500  short",
        "a     z    20.2",
    ]
    assert reasons(rows) == ["  a, y: failed: RuntimeError: no"]
    assert table(rows[1:2]) == []
    assert reasons([{"case": "all", "status": "skipped: needs CUDA"}]) == [
        "  all: skipped: needs CUDA"
    ]


def test_without_results_nothing_was_reached() -> None:
    assert set(verdicts().values()) == {"not measured"}


def test_what_holds_has_to_hold_everywhere() -> None:
    equal = {
        "case": "a",
        "records": "equal",
        "random state": "equal",
        "from the CPU's": "0.0e+00, fits",
    }
    found = verdicts(records=[equal, {"case": "b", "status": "skipped: --no-compile"}])
    assert found["records are the CPU's, bit for bit"] == "reached"
    assert found["views within the tolerance"] == "reached"
    found = verdicts(records=[equal, {"case": "b", "status": "failed: X"}])
    assert found["records are the CPU's, bit for bit"] == "not reached"
    found = verdicts(records=[equal, {**equal, "records": "differ in crop"}])
    assert found["records are the CPU's, bit for bit"] == "not reached"
    found = verdicts(records=[equal, {**equal, "from Kornia's there": "1.0e+00, differs"}])
    assert found["views within the tolerance"] == "not reached"


def test_kornias_own_waits_are_not_ours() -> None:
    theirs = {"case": "Kornia alone", "in error mode": "raises at crop.py:1"}
    ours = {"case": "term", "in error mode": "passes"}
    name = "nothing of ours waits for the device"
    assert verdicts(syncs=[theirs, ours])[name] == "reached"
    assert verdicts(syncs=[theirs, {**ours, "in error mode": "raises at x.py:1"}])[name] == (
        "not reached"
    )
    assert verdicts(syncs=[theirs])[name] == "not measured"


def test_a_graph_replays_its_run() -> None:
    rows = [{"case": "a", "way": "compiled", "total": "the run's"}]
    assert verdicts(graphs=rows)["a graph's term is the run's"] == "reached"
    rows[0]["total"] = "0.0000 for 1.0000"
    assert verdicts(graphs=rows)["a graph's term is the run's"] == "not reached"


def test_the_worst_case_counts() -> None:
    def views(case: str, times: float) -> dict[str, Any]:
        return {"case": case, "way": "fused", "Kornia / this": times, "torchvision v2 / this": 1.7}

    assert verdicts(views=[views("a", 2.5), views("b", 9)])["fused views: ≥ 2.5 times Kornia"] == (
        "reached"
    )
    found = verdicts(views=[views("a", 2.4), views("b", 9)])
    assert found["fused views: ≥ 2.5 times Kornia"] == "not reached"
    assert found["fused views: ≥ 1.7 times torchvision v2"] == "reached"
    assert found["fused, compiled views: ≥ 2.5 times Kornia"] == "not measured"


def test_what_failed_did_not_reach_it() -> None:
    fast = {"case": "a", "way": "fused", "Kornia / this": 3.0}
    name = "fused views: ≥ 2.5 times Kornia"
    assert verdicts(views=[fast])[name] == "reached"
    skipped = {"case": "b", "way": "fused", "status": "skipped: no time left"}
    assert verdicts(views=[fast, skipped])[name] == "reached"
    assert verdicts(views=[fast, {**skipped, "status": "failed: X"}])[name] == "not reached"
    assert verdicts(views=[fast, {"case": "b", "status": "failed: X"}])[name] == "not reached"
    assert verdicts(views=[{"case": "all", "status": "failed: X"}])[name] == "not reached"
    other = {"case": "b", "way": "torchvision v2", "status": "failed: X"}
    assert verdicts(views=[fast, other])[name] == "reached"


def test_steps_are_those_of_a_resnet_50() -> None:
    rows = [
        {"case": "resnet50, 224 px", "way": "fused, AugSelf", "this / Kornia": 1.0},
        {"case": "resnet18, 96 px", "way": "fused, AugSelf", "this / Kornia": 3.0},
    ]
    name = "ResNet-50 step, fused, AugSelf: ≤ 1.00 of Kornia's"
    assert verdicts(steps=rows)[name] == "reached"
    rows[0]["this / Kornia"] = 1.01
    assert verdicts(steps=rows)[name] == "not reached"


def test_terms_compiled_against_their_products() -> None:
    rows = [{"case": "2 types", "way": "compiled", "this / products": 1.2},
            {"case": "2 types", "way": "heads grouped", "this / products": 9.0}]  # fmt: skip
    assert verdicts(term=rows)["term compiled: ≤ 1.15 of its products"] == "not reached"
    assert verdicts(graphs=rows)["term compiled, as a graph: ≤ 1.15 of its products"] == (
        "not reached"
    )
    assert verdicts(term=rows[1:])["term compiled: ≤ 1.15 of its products"] == "not measured"


def test_numbers_are_kept_where_a_table_fails(tmp_path: Path) -> None:
    part = {"title": "Views", "seconds": 2.0, "rows": [{"no case": 1, "ms": torch.float32}]}
    write({"machine": {}, "tiny": True, "parts": {"views": part}, "term": 3}, tmp_path)
    kept = json.loads((tmp_path / "accelerator.json").read_text())
    assert kept["parts"]["views"]["rows"] == [{"no case": 1, "ms": "torch.float32"}]
    assert "KeyError: 'case'" in kept["aims"][0]["traceback"]
    write({"parts": {"views": part}}, tmp_path)
    assert "KeyError: 'machine'" in (tmp_path / "accelerator.txt").read_text()


def test_a_report_says_what_was_measured_on() -> None:
    part = {"title": "Views", "seconds": 2.0, "rows": [{"case": "a", "way": "x", "ms": 1.0}]}
    results = {
        "machine": {"card": "none, cpu"}, "tiny": True, "parts": {"views": part}, "aims": aims({}),
    }  # fmt: skip
    told = text(results)
    assert told.startswith("card: none, cpu\n\nviews: Views (2 s)\n\ncase  way  ms\n")
    assert "aims; of tiny sizes they say nothing" in told
    assert "aims; of" not in text({**results, "tiny": False})
