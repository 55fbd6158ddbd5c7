"""AugSelf beside its neighbours: gains, what features know, cost; nothing where none was run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from transfer.config import ARMS
from transfer.costs import Cost, Costs, CostsError, read_costs, write_costs
from transfer.reporting.collect import collect
from transfer.reporting.missing import missing
from transfer.reporting.objectives import compare_arms, objectives_tables
from transfer.reporting.report import report
from transfer.reporting.tables import Table
from transfer.reporting.worth import worth_tables


def fill(runs: Any, full: dict[str, Any], gains: dict[str, float], method: str = "simclr") -> None:
    """Write a method's runs of three seeds whose arms gain so much, a little more by every seed."""
    for seed in range(3):
        for arm, gained in gains.items():
            score = 0.5 + 0.02 * seed + gained * (1 + 0.1 * seed)
            sections = {**full, "pretraining": {"seconds": 400.0 * (1 + gained), "terms": {}}}
            scores = {"skintone": score, "locate": 0.3 + gained / 2, "fashion": 0.8}
            settings = {"objective": ARMS[arm][0]} if ARMS[arm][0] else {}
            runs.add(method, arm, seed, scores, config=settings, **sections)


def table(tables: list[Table], name: str) -> dict[tuple[str, str], dict[str, str]]:
    found = next(each for each in tables if each.name == name)
    return {
        (row[0].text, row[1].text): dict(zip(found.columns, (c.text for c in row), strict=True))
        for row in found.rows
    }


def test_every_arm_is_compared_with_plain_seed_by_seed(runs: Any, full: dict[str, Any]) -> None:
    fill(runs, full, {"plain": 0.0, "augself": 0.1, "stl": 0.2, "cassle-augself": -0.1})
    tables = objectives_tables(compare_arms(collect(runs.root, "offline")))
    gains = table(tables, "objectives")
    assert list(gains) == [("SimCLR", arm) for arm in ("AugSelf", "CASSLE + AugSelf", "STL")]
    stl = gains["SimCLR", "STL"]
    # Skin tones +20, +22 and +24 points, locate +10, clothes nothing.
    assert stl["gain,\ncolor tasks"].startswith("+22.0 ± 5.0")
    assert stl["gain,\nposition tasks"] == "+10.0 ± 0.0"
    assert stl["gain"].startswith("+10.7 ±")
    assert stl["pairs"] == "3"
    assert gains["SimCLR", "CASSLE + AugSelf"]["gain"].startswith("−5.3 ±")
    known = table(tables, "objectives_known")
    assert list(known) == [("SimCLR", "plain"), *gains]
    assert known["SimCLR", "STL"]["crop\n(R²)"] == "0.10"
    assert known["SimCLR", "STL"]["color\n(MRR)"] == "–"
    assert "objectives_pooled" not in [each.name for each in tables], "of one method there is none"


def test_the_pairs_of_all_methods_are_put_together(runs: Any, full: dict[str, Any]) -> None:
    fill(runs, full, {"plain": 0.0, "augself": 0.1, "stl": 0.2})
    fill(runs, full, {"plain": 0.0, "augself": 0.1}, method="moco")
    fill(runs, full, {"plain": 0.0, "stl": 0.0}, method="simsiam")
    tables = objectives_tables(compare_arms(collect(runs.root, "offline")))
    pooled = next(each for each in tables if each.name == "objectives_pooled")
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in pooled.rows}
    # MoCo has no neighbour of AugSelf, so it is not among the compared.
    assert rows["AugSelf"][-1] == "3"
    assert rows["STL"][-1] == "6"
    assert rows["STL"][1].startswith("+11.0 ±"), "half of SimCLR's 22 points"


COSTS = Costs(
    {
        "simclr": {
            "plain": Cost(400.0, 1.0, 2_000_000),
            "augself": Cost(420.0, 1.05, 3_000_000),
            "stl": Cost(600.0, 1.5, 3_230_000),
        }
    },
    {"machine": "x86_64, 2 cores", "date": "2026-11-27"},
)


def test_an_arm_is_held_against_plain_training_of_its_time(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    fill(runs, full, {"plain": 0.0, "augself": 0.1, "stl": 0.2, "essl": 0.1})
    longer = {epochs: type(runs)(tmp_path / f"{epochs}") for epochs in (23, 60)}
    for epochs, own in longer.items():
        for seed in range(3):
            scores = {"skintone": 0.6 + 0.02 * seed, "locate": 0.3, "fashion": 0.8}
            own.add("simclr", "plain", seed, scores, config={"epochs": epochs}, **full)
    compared = compare_arms(collect(runs.root, "offline"))
    others = [collect(own.root, "offline") for own in longer.values()]
    tables = worth_tables(compared, COSTS, others)
    costs = table(tables, "objectives_cost")
    assert list(costs) == [("SimCLR", "AugSelf"), ("SimCLR", "STL")], "E-SSL was not timed"
    stl = costs["SimCLR", "STL"]
    assert (stl["a step, ms"], stl["× plain"], stl["weights\nadded"]) == ("600", "1.50", "1.23 M")
    assert stl["plain epochs\nin its time"] == "22"
    timed = table(tables, "objectives_same_time")
    assert list(timed) == [("SimCLR", "STL")], "AugSelf's time is a plain run's"
    row = timed["SimCLR", "STL"]
    assert row["those\ntrained"] == "23"
    assert row["gain,\nsame epochs"].startswith("+10.7 ±")
    # Skin tones +10, +12 and +14 points, locate +10.
    assert row["gain,\ncolor tasks"].startswith("+12.0 ± 5.0")
    assert row["gain,\nposition tasks"].startswith("+10.0")
    assert [each.name for each in worth_tables(compared, COSTS)] == ["objectives_cost"]


def test_costs_are_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    write_costs(COSTS.steps, file)
    found = read_costs(file)
    assert found.steps == COSTS.steps
    assert found.versions["machine"]
    assert found.of("simclr", "essl") is None
    file.write_text('{"steps": {"simclr": {"plain": {"seconds": 1}}}}', encoding="utf-8")
    with pytest.raises(CostsError, match=r"steps --out` writes, found .* Measure the steps again"):
        read_costs(file)
    with pytest.raises(CostsError, match="No such file"):
        read_costs(tmp_path / "absent.json")


def test_the_main_grid_stays_plain_against_augself(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    quiet = Console(file=io.StringIO(), width=120)
    fill(runs, full, {"plain": 0.0, "augself": 0.1})
    before = report(runs.root, "offline", tmp_path / "before", console=quiet)
    assert "Other objectives" not in [s.title for s in before.sections if not s.empty]
    fill(runs, full, {"equimod": 0.3, "cassle": 0.0})
    after = report(runs.root, "offline", tmp_path / "after", console=quiet)
    shown = {section.title: section for section in after.sections}
    assert len(shown["Other objectives"].tables) == 3
    assert after.headline == before.headline
    for section in before.sections:
        if section.title not in ("Other objectives", "What was run"):
            assert shown[section.title].tables == section.tables
    written = (tmp_path / "after" / "REPORT.md").read_text(encoding="utf-8")
    assert "Published by others, in their settings" in written


def test_runs_of_objectives_may_lie_elsewhere(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    other = type(runs)(tmp_path / "elsewhere")
    fill(runs, full, {"plain": 0.0, "augself": 0.1})
    fill(other, full, {"plain": 0.01, "augself": 0.1, "stl": 0.21})
    quiet = Console(file=io.StringIO(), width=120)
    page = report(runs.root, "offline", tmp_path / "out", console=quiet, objectives=other.root)
    shown = {section.title: section for section in page.sections}
    section = shown["Other objectives"]
    # 20 points more than their own plain runs.
    gains = table(list(section.tables), "objectives")
    assert gains["SimCLR", "STL"]["gain,\ncolor tasks"].startswith("+22.0")
    assert section.picture == "objectives.png"
    assert (tmp_path / "out" / "objectives.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_takes_runs_of_objectives_and_of_other_lengths(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("lightly")
    from transfer.__main__ import make_report  # noqa: PLC0415
    from transfer.arguments import parser  # noqa: PLC0415

    others, longer = (type(runs)(tmp_path / name) for name in ("others", "longer"))
    fill(runs, full, {"plain": 0.0, "augself": 0.1})
    fill(others, full, {"plain": 0.0, "augself": 0.1, "essl": 0.2})
    for seed in range(2):
        for arm, score in (("plain", 0.5), ("augself", 0.7)):
            scores = {"skintone": score, "locate": 0.3, "fashion": 0.8}
            longer.add("simclr", arm, seed, scores, config={"epochs": 60}, **full)
    write_costs(COSTS.steps, tmp_path / "steps.json")
    given = [f"--runs={runs.root}", f"--also={longer.root}", f"--objectives={others.root}",
             f"--longer={longer.root}", f"--steps={tmp_path / 'steps.json'}"]  # fmt: skip
    out = tmp_path / "out"
    make_report(parser().parse_args(["report", "--data=offline", f"--out={out}", *given]))
    written = (out / "REPORT.md").read_text(encoding="utf-8")
    assert "## Other objectives" in written
    assert "## Length of training" in written
    assert "What every objective costs" in written


def test_an_arm_without_its_plain_run_or_with_other_settings_is_named(
    runs: Any, full: dict[str, Any]
) -> None:
    fill(runs, full, {"plain": 0.0, "essl": 0.1})
    runs.add("moco", "stl", 0, {"skintone": 0.5, "locate": 0.3, "fashion": 0.8}, **full)
    runs.add("simclr", "stl", 0, {"skintone": 0.5, "locate": 0.3, "fashion": 0.8},
             config={"epochs": 60}, **full)  # fmt: skip
    said = missing(collect(runs.root, "offline"))
    assert any("`moco-stl-s0` has no partner: a plain run" in line for line in said)
    assert any("more than the objective" in line and "epochs 15 → 60" in line for line in said)
    assert not any("essl" in line for line in said)
