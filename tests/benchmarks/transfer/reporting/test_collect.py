"""Folders of runs: what is finished is read, what is not is listed, what contradicts is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from transfer.reporting.collect import RunsError, collect
from transfer.reporting.missing import missing


def test_reads_runs_in_order(runs: Any) -> None:
    runs.gains("simsiam", 0.1, 0.1)
    runs.add("simsiam", "augself", 0, {"skintone": 0.6, "locate": 0.3}, "crop-only")
    found = collect(runs.root, "offline")
    names = ["simsiam-s0", "simsiam-s1", "simsiam-augself-s0", "simsiam-augself-s1"]
    assert [run.name for run in found.main()] == names
    assert [run.name for run in found.runs] == [*names, "simsiam-augself-crop-only-s0"]
    assert [run.seed for run in found.select("simsiam", "augself")] == [0, 1]
    assert found.runs[0].versions["torch"] == "2.14.1"
    assert missing(found) == []


def test_lists_what_is_not_finished(runs: Any) -> None:
    runs.gains("simsiam", 0.1)
    (runs.root / "offline" / "byol-s0").mkdir()
    place = runs.add("byol", "plain", 1, {})
    (place / "metrics.json").unlink()
    (runs.root / "offline" / "report").mkdir()  # no run
    found = collect(runs.root, "offline")
    assert dict(found.unfinished) == {
        "byol-s0": "no config.json and no metrics.json",
        "byol-s1": "no metrics.json",
    }
    assert missing(found)[0] == "`byol-s0` is not finished: no config.json and no metrics.json."


def test_lists_what_is_not_measured(runs: Any) -> None:
    knn = {"linear": {"test": 0.6}, "knn": 0.5}
    runs.add("simsiam", "plain", 0, {"skintone": 0.5, "locate": 0.3}, in_domain=knn)
    runs.add("simsiam", "augself", 0, {"skintone": 0.5, "locate": float("nan")})
    assert missing(collect(runs.root, "offline")) == [
        "`simsiam-augself-s0` has no finite number for linear (locate (position)), in_domain."
    ]


def test_lists_what_is_not_evaluated_yet(runs: Any) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5})
    runs.add("simsiam", "augself", 0, {"skintone": 0.5}, few_shot=None, retrieval=None)
    assert missing(collect(runs.root, "offline")) == [
        "`simsiam-augself-s0` is not finished: no few_shot, no retrieval yet. "
        "What it has is in the tables."
    ]


def test_lists_what_has_no_partner(runs: Any) -> None:
    runs.gains("simsiam", 0.1)
    runs.add("simsiam", "plain", 1, {"skintone": 0.5, "locate": 0.3})
    runs.add("simsiam", "augself", 0, {"skintone": 0.5, "locate": 0.3}, "crop-only")
    runs.add("simsiam", "augself", 2, {"skintone": 0.5, "locate": 0.3}, "crop-only")
    runs.add("simsiam", "plain", 0, {"skintone": 0.5, "locate": 0.3}, "jitter-weak")
    # Jitter has a base of its own, so the main grid's is no partner.
    runs.add("simsiam", "augself", 1, {"skintone": 0.5, "locate": 0.3}, "jitter-weak")
    lines = missing(collect(runs.root, "offline"))
    assert [line.split("`")[1] for line in lines] == [
        "simsiam-s1",
        "simsiam-augself-crop-only-s2",
        "simsiam-jitter-weak-s0",
        "simsiam-augself-jitter-weak-s1",
    ]
    assert "no partner: a run with AugSelf of the same seed" in lines[0]
    assert "no partner: a plain run of the same seed" in lines[1]


def test_lists_pairs_that_differ_in_more_than_augself(runs: Any) -> None:
    for seed in (0, 1):
        runs.add("simsiam", "plain", seed, {"skintone": 0.5})
        runs.add("simsiam", "augself", seed, {"skintone": 0.5}, config={"epochs": 30})
    assert missing(collect(runs.root, "offline")) == [
        "In more than AugSelf the plain run differs from `simsiam-augself-s0`, "
        "`simsiam-augself-s1`: epochs 15 → 30."
    ]


def test_refuses_twins(runs: Any) -> None:
    place = runs.add("simsiam", "plain", 0, {"skintone": 0.5})
    shutil.copytree(place, place.with_name("simsiam-copy-s0"))
    with pytest.raises(RunsError, match=r"seed 0, found two: simsiam-copy-s0 and simsiam-s0"):
        collect(runs.root, "offline")


def test_refuses_seeds_of_other_settings_in_one_interval(runs: Any) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5}, config={"network": "small"})
    former = {"network": "small", "apply": "kornia"}  # the same, said
    runs.add("simsiam", "plain", 1, {"skintone": 0.5}, config=former)
    assert len(collect(runs.root, "offline").runs) == 2
    larger = {"network": "resnet18", "apply": "fused"}
    runs.add("simsiam", "plain", 2, {"skintone": 0.5}, config=larger)
    with pytest.raises(RunsError, match=r"simsiam-s0 and simsiam-s2 .* other apply, network\."):
        collect(runs.root, "offline")


def test_refuses_runs_of_a_recipe_among_others(runs: Any) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5})
    runs.add("simsiam", "plain", 1, {"skintone": 0.5}, config={"data": "offline-resnet18"})
    with pytest.raises(RunsError, match=r"Expected data 'offline' .* found 'offline-resnet18'"):
        collect(runs.root, "offline")


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "versions.json"])
@pytest.mark.parametrize("content", [b'{"linear": ', b"[]", b"\xff\xfe\x00"])
def test_refuses_broken_json_by_name(runs: Any, name: str, content: bytes) -> None:
    place = runs.add("simsiam", "plain", 0, {"skintone": 0.5})
    (place / name).write_bytes(content)
    with pytest.raises(RunsError, match=rf"simsiam-s0/{name}, found"):
        collect(runs.root, "offline")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": "zero"}, r"Expected 'seed' \(int\) in .*config.json, found 'zero'"),
        ({"method": None}, r"Expected 'method' \(str\)"),
        ({"arm": "both"}, r"arm plain or augself in .*, found 'offline' and 'both'"),
        ({"data": "stl10"}, r"Expected data 'offline'"),
    ],
)
def test_refuses_settings_that_are_none(
    runs: Any, changed: dict[str, object], message: str
) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5}, config=changed)
    with pytest.raises(RunsError, match=message):
        collect(runs.root, "offline")


def test_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(RunsError, match="found no such folder"):
        collect(tmp_path, "offline")
    (tmp_path / "offline").mkdir()
    with pytest.raises(RunsError, match="found none"):
        collect(tmp_path, "offline")
