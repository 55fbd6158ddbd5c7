"""Gains by length of training, and what was measured on the way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from transfer.reporting.along import FOLLOWED, along_tables, curves
from transfer.reporting.collect import RunsError, collect
from transfer.reporting.lengths import lengths, lengths_table
from transfer.reporting.report import report

COLOR: dict[str, Any] = {"metric": "R2", "baseline": 0.0, "columns": {}}


def read(value: float) -> dict[str, Any]:
    return {"readability": {"color": {**COLOR, "value": value}}}


def fill(runs: Any, epochs: int, gained: float, *, seeds: int = 2, along: bool = False) -> None:
    """Write SimCLR's runs of one length."""
    for seed in range(seeds):
        for arm, more in (("plain", 0.0), ("augself", gained)):
            score = 0.5 + 0.02 * seed + more * (1 + 0.1 * seed)
            known = read(0.2 + more) if along else {}
            if along:
                known["along"] = {"5": read(0.25), "15": read(0.22 + more / 2)}
            known["in_domain"] = {"linear": {"test": score / 2}, "knn": 0.5}
            scores = {"skintone": score, "locate": 0.3 + more}
            runs.add("simclr", arm, seed, scores, config={"epochs": epochs}, **known)


@pytest.fixture
def short(runs: Any, tmp_path: Path) -> Path:
    """Runs of 15 epochs, in a folder of their own; ``runs`` are those of 60."""
    other = type(runs)(tmp_path / "short")
    fill(other, 15, 0.01)
    other.pair("moco", [{"skintone": 0.5, "locate": 0.3}], [{"skintone": 0.6, "locate": 0.3}])
    fill(runs, 60, 0.04, along=True)
    return Path(other.root)


def test_methods_of_several_lengths_are_compared(runs: Any, short: Path) -> None:
    found = lengths([collect(runs.root, "offline"), collect(short, "offline")])
    assert [(one.method, one.epochs) for one in found] == [("simclr", 15), ("simclr", 60)]
    table = lengths_table(found)
    assert table is not None
    rows = [dict(zip(table.columns, (c.text for c in row), strict=True)) for row in table.rows]
    assert [row["gain"].split()[0] for row in rows] == ["+1.0", "+4.1"]
    assert [row["pairs"] for row in rows] == ["2", "2"]
    assert rows[1]["in-domain\ngain"].startswith("+2.1 ± ")


def test_one_length_is_no_comparison(short: Path) -> None:
    found = lengths([collect(short, "offline")])
    assert not found
    assert lengths_table(found) is None


def test_lengths_are_not_mixed(runs: Any, short: Path) -> None:
    with pytest.raises(RunsError, match="another length in each file"):
        lengths([collect(short, "offline")] * 2)
    runs.add("byol", "plain", 0, {"skintone": 0.5}, config={"epochs": 30})
    with pytest.raises(RunsError, match=r"found \[30, 60\] epochs in one"):
        lengths([collect(runs.root, "offline")])


def test_what_was_measured_on_the_way(runs: Any, short: Path) -> None:
    collection = collect(runs.root, "offline")
    points = curves(collection, FOLLOWED[0])["simclr"]
    assert list(points) == [5, 15, 60]
    gains = [c.gain.mean for c in points.values() if c.gain is not None]
    assert gains == pytest.approx([0.0, 0.02, 0.04])
    (table,) = along_tables(collection)  # neither crops nor pictures were measured after epoch 5
    assert table.columns == ("", "5", "15", "60")
    assert [c.text for c in table.rows[1]] == ["+ AugSelf", "0.25", "0.24", "0.24"]
    assert not along_tables(collect(short, "offline"))


def test_the_report_shows_both(runs: Any, short: Path, tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    out = tmp_path / "report"
    report(short, "offline", out, console=quiet, also=[runs.root])
    text = (out / "REPORT.md").read_text()
    assert "![Length of training](lengths.png)" in text
    assert "![What features know while they train](along.png)" in text
    for name in ("lengths.png", "along.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    report(short, "offline", tmp_path / "alone", console=quiet)
    assert "Length of training" not in (tmp_path / "alone" / "REPORT.md").read_text()
