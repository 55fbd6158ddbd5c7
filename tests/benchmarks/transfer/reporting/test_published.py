"""Finished runs in one file: the same report, added to once, broken ones refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transfer.published import PublishedError, lines, publish
from transfer.reporting.collect import RunsError, collect
from transfer.runs import LATER


@pytest.fixture
def filled(runs: Any, full: dict[str, Any]) -> Any:
    """Two pairs of finished runs, and one that is not."""
    runs.gains("simsiam", 0.1, 0.2)
    for folder in (runs.root / "offline").iterdir():
        metrics = json.loads((folder / "metrics.json").read_text())
        runs.write(folder / "metrics.json", {**full, **metrics})
        runs.write(folder / "versions.json", {"torch": "2.14.1"})
    (runs.root / "offline" / "byol-s0").mkdir()
    runs.write(runs.root / "offline" / "byol-s0" / "metrics.json", {"linear": {}})
    return runs


def test_a_file_says_what_the_folders_say(filled: Any, tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    added = publish(filled.root / "offline", file)
    assert len(added) == len(file.read_text().splitlines()) == 4
    assert publish(filled.root / "offline", file) == []
    folders = collect(filled.root, "offline")
    assert collect(file, "offline").runs == folders.runs
    assert [line["name"] for line in lines(file)] == sorted(added)


def test_another_run_of_a_published_name_is_refused(filled: Any, tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    publish(filled.root / "offline", file)
    config = filled.root / "offline" / "simsiam-s0" / "config.json"
    filled.write(config, {**json.loads(config.read_text()), "epochs": 60})
    before = file.read_bytes()
    with pytest.raises(PublishedError, match="found another run of that name"):
        publish(filled.root / "offline", file)
    assert file.read_bytes() == before


def test_what_came_later_completes_a_published_run(filled: Any, tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    metrics = filled.root / "offline" / "simsiam-s0" / "metrics.json"
    known = json.loads(metrics.read_text())
    old = {name: section for name, section in known.items() if name not in LATER}
    filled.write(metrics, old)
    assert "simsiam-s0" in publish(filled.root / "offline", file)
    filled.write(metrics, {**old, "equivariance": {"crop": {"mrr": 0.3}}})
    assert publish(filled.root / "offline", file) == ["simsiam-s0"]
    published = {line["name"]: line["metrics"] for line in lines(file)}
    assert published["simsiam-s0"]["equivariance"] == {"crop": {"mrr": 0.3}}
    for other in ({"crop": {"mrr": 0.4}}, {}):  # measured again, and otherwise
        filled.write(metrics, {**old, "equivariance": other})
        with pytest.raises(PublishedError, match="found another run"):
            publish(filled.root / "offline", file)
    filled.write(metrics, {**old, "retrieval": {}, "readability_mlp": {}})
    with pytest.raises(PublishedError, match="found another run"):
        publish(filled.root / "offline", file)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "line 1, expected JSON"), ("[]", "found list"), ('{"name": "a"}', r"found \['name'\]")],
)
def test_a_broken_file_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(text)
    with pytest.raises(PublishedError, match=says):
        lines(file)


def test_runs_of_another_setting_are_refused(filled: Any, tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    publish(filled.root / "offline", file)
    with pytest.raises(RunsError, match=r"Expected data 'stl10'.*simsiam"):
        collect(file, "stl10")
